// The public API: a proxy started from code, in the process of its caller. The threads, the sockets and the pages are the
// same as the command's; signals stay the caller's.

import { formatAddress } from './core/address.ts';
import { Logger } from './control/log.ts';
import { createProxy } from './main.ts';

export interface StartOptions {
  /** The path of a configuration file, or the document itself, in the language of the file. */
  readonly config: string | object;
  /** Stands behind `${NAME}` and the NUNCIO_ variables. Default: the process's. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Takes the lines of the proxy's log. Default: standard error. */
  readonly log?: (line: string) => void;
}

export interface Proxy {
  /** Where each listener listens, by its name: `127.0.0.1:8080`, `[::1]:8080`, `unix:/run/a.sock`. */
  readonly addresses: Readonly<Record<string, string>>;
  /** null when the configuration turns the admin pages off. */
  readonly adminAddress: string | null;
  /** Reads the file again, or takes another document. Resolves to the reasons of a rejection, or to none. */
  reload(config?: object): Promise<readonly string[]>;
  /** Answers what is in flight, at most for `drainTimeout`, then stops. */
  drain(): Promise<void>;
  /** Stops at once. */
  stop(): Promise<void>;
}

/**
 * Resolves when every worker accepts. Rejects with an Error whose `reasons` (one line each, with file, line and JSON
 * pointer) say what is wrong; nothing is left running then.
 */
export async function start(options: StartOptions): Promise<Proxy> {
  const { config, env = process.env, log = (line: string): void => void process.stderr.write(line) } = options;
  let document = config;
  const primary = createProxy({
    place: typeof config === 'string' ? { file: config } : { document: () => document },
    environment: env,
    logger: new Logger('info', log),
  });
  await primary.start();
  return {
    get addresses() {
      return Object.fromEntries(Object.entries(primary.published?.addresses ?? {}).map(([name, address]) => [name, formatAddress(address)]));
    },
    get adminAddress() {
      return primary.adminAddress === null ? null : formatAddress(primary.adminAddress);
    },
    async reload(next) {
      if (next !== undefined) document = next;
      const result = await primary.reload();
      return result.outcome === 'rejected' ? result.errors : [];
    },
    drain: () => primary.drain(),
    stop: () => primary.stop(),
  };
}

export type { ConfigDocument } from './config/document.ts';
