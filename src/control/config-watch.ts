// Notices that the configuration file has become another one: edited in place, replaced by rename, or reached through a
// link that was swapped anywhere above it (Kubernetes ConfigMaps swap `..data`). Primary thread.
// The truth is what a look at the path finds; the system's change events only make the next look come sooner, because they
// are lost on network mounts and follow the old file after a rename.

import type { FSWatcher } from 'node:fs';
import { watch } from 'node:fs';
import { lstat, readlink, stat } from 'node:fs/promises';
import { dirname, join, parse, resolve, sep } from 'node:path';
import type { CancelTimer, Timers } from '../core/host-timer.ts';

export interface ConfigWatchOptions {
  readonly path: string;
  readonly timers: Timers;
  onChange(): void;
  /** How often to look when no event comes. */
  readonly pollMs?: number;
  /** A change is reported when the file has stood still for so long: editors write in several steps. */
  readonly settleMs?: number;
}

const POLL_MS = 1000;
const SETTLE_MS = 100;
/** As the kernel: more links than that are a loop. */
const MAX_LINKS = 40;

interface Look {
  /** Changes whenever the file behind the path, or its content, does. */
  readonly print: string;
  /** Every directory in which an entry on the way to the file could be replaced. */
  readonly directories: ReadonlySet<string>;
}

export class ConfigWatch {
  private readonly options: ConfigWatchOptions;
  private reported = '';
  private seen = '';
  private watchers = new Map<string, FSWatcher>();
  private cancelPoll: CancelTimer = () => undefined;
  private cancelSettle: CancelTimer = () => undefined;
  private closed = false;

  constructor(options: ConfigWatchOptions) {
    this.options = options;
  }

  /** Resolves when the present state has been noted: changes from here on are reported. */
  async start(): Promise<void> {
    const look = await lookAt(this.options.path);
    if (this.closed) return;
    this.reported = this.seen = look.print;
    this.rearm(look.directories);
    this.cancelPoll = this.options.timers.every(this.options.pollMs ?? POLL_MS, () => void this.look());
  }

  close(): void {
    this.closed = true;
    this.cancelPoll();
    this.cancelSettle();
    for (const watcher of this.watchers.values()) watcher.close();
    this.watchers.clear();
  }

  /** Compares what the path leads to with what was seen last. */
  private async look(): Promise<void> {
    const look = await lookAt(this.options.path);
    if (this.closed || look.print === this.seen) return;
    this.seen = look.print;
    this.rearm(look.directories);
    this.settle();
  }

  private settle(): void {
    this.cancelSettle();
    this.cancelSettle = this.options.timers.after(this.options.settleMs ?? SETTLE_MS, () => void this.settled());
  }

  private async settled(): Promise<void> {
    const before = this.seen;
    await this.look();
    // Still moving: `look` has started the wait anew. A file that is gone is the middle of a replacement: wait for the new one.
    if (this.closed || this.seen !== before || this.seen === '' || this.seen === this.reported) return;
    this.reported = this.seen;
    this.options.onChange();
  }

  private rearm(directories: ReadonlySet<string>): void {
    for (const [directory, watcher] of this.watchers) {
      if (directories.has(directory)) continue;
      watcher.close();
      this.watchers.delete(directory);
    }
    for (const directory of directories) if (!this.watchers.has(directory)) this.arm(directory);
  }

  private arm(directory: string): void {
    try {
      const watcher = watch(directory, { persistent: false }, () => void this.look());
      const drop = (): void => {
        watcher.close();
        if (this.watchers.get(directory) === watcher) this.watchers.delete(directory);
      };
      watcher.on('error', drop);
      this.watchers.set(directory, watcher);
    } catch {
      // No events here (no inotify instance left, no right to read the directory): the regular look remains.
    }
  }
}

/** Follows the path as the system would, noting where links could be swapped. An absent file gives an empty print. */
async function lookAt(path: string): Promise<Look> {
  const directories = new Set<string>();
  try {
    const real = await follow(resolve(path), directories, 0);
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(real, { bigint: true });
    return { print: `${real} ${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`, directories };
  } catch {
    return { print: '', directories };
  }
}

async function follow(path: string, directories: Set<string>, links: number): Promise<string> {
  if (links > MAX_LINKS) throw new Error('too many symbolic links');
  const { root } = parse(path);
  const names = path.slice(root.length).split(sep).filter((name) => name !== '');
  let at = root;
  for (let i = 0; i < names.length; i++) {
    const next = join(at, names[i]!);
    if (i === names.length - 1) directories.add(at);
    if ((await lstat(next)).isSymbolicLink()) {
      directories.add(at);
      const target = resolve(at, await readlink(next));
      return await follow(join(target, ...names.slice(i + 1)), directories, links + 1);
    }
    at = next;
  }
  directories.add(dirname(at));
  return at;
}
