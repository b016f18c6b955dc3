// Asks for names: by c-ares, as Envoy does, so that no look-up takes one of the threads that files and logs need, and
// answers come with their time to live. Without `resolvers` of their own clusters get what the system's files say:
// /etc/hosts first, then the servers and the search list of /etc/resolv.conf. Primary thread; owned by Discovery.

import { Resolver } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { isIPv4, isIPv6 } from 'node:net';
import { systemTime, type TimeSource } from '../../core/clock.ts';
import type { Answer, FoundAddress, LookUp, Question } from './look-up.ts';
import { candidates, readHosts, readSearchList, type SearchList } from './system-files.ts';

type Family = 4 | 6;

const FAMILIES: Readonly<Record<Question['family'], readonly Family[]>> = {
  auto: [6, 4],
  v6Only: [6],
  v4Only: [4],
  v4Preferred: [4, 6],
  all: [6, 4],
};

/** RFC 6761 section 6.3: whoever asks for it means this machine. */
const LOCALHOST = ['::1', '127.0.0.1'];
const NOT_FOUND = 'ENOTFOUND';
const FILES_GOOD_FOR_MS = 1000;

export interface ResolverOptions {
  /** Each attempt takes twice as long as the one before. c-ares: 2 s and 3 attempts. */
  readonly timeoutMs?: number;
  readonly tries?: number;
  readonly time?: TimeSource;
  readonly hostsFile?: string;
  readonly resolvFile?: string;
}

interface Files {
  readonly readAt: number;
  readonly hosts: ReadonlyMap<string, readonly string[]>;
  readonly search: SearchList;
  readonly resolvText: string;
}

export class DnsResolver implements LookUp {
  private readonly options: Required<ResolverOptions>;
  /** By the servers that they ask. */
  private readonly channels = new Map<string, Resolver>();
  private files: Promise<Files> | null = null;
  /** What the channel of the system was made from. */
  private systemText = '';

  constructor(options: ResolverOptions = {}) {
    this.options = { timeoutMs: 2000, tries: 3, time: systemTime, hostsFile: '/etc/hosts', resolvFile: '/etc/resolv.conf', ...options };
  }

  async ask(question: Question): Promise<Answer> {
    try {
      return await (question.resolvers.length === 0 ? this.askSystem(question) : this.askServers(question, question.resolvers));
    } catch (error) {
      return { kind: 'failed', why: codeOf(error) };
    }
  }

  close(): void {
    for (const channel of this.channels.values()) channel.cancel();
    this.channels.clear();
  }

  /** Only they are asked, and only for the name as it is. */
  private askServers({ name, family }: Question, servers: readonly string[]): Promise<Answer> {
    return askFor(this.channel(servers), name.replace(/\.$/, ''), family);
  }

  private async askSystem({ name, family }: Question): Promise<Answer> {
    const files = await this.readFiles();
    const key = name.replace(/\.$/, '').toLowerCase();
    const listed = choose(files.hosts.get(key) ?? (key === 'localhost' ? LOCALHOST : []), family);
    if (listed.length > 0) return { kind: 'found', addresses: listed };
    const channel = this.systemChannel(files.resolvText);
    let exists = false;
    let why = '';
    for (const candidate of candidates(name, files.search)) {
      const answer = await askFor(channel, candidate, family);
      if (answer.kind === 'found' && answer.addresses.length > 0) return answer;
      if (answer.kind === 'found') exists = true;
      else if (answer.why !== NOT_FOUND) why ||= answer.why;
    }
    if (why !== '') return { kind: 'failed', why };
    return exists ? { kind: 'found', addresses: [] } : { kind: 'failed', why: NOT_FOUND };
  }

  private channel(servers: readonly string[]): Resolver {
    const key = servers.join();
    let channel = this.channels.get(key);
    if (channel === undefined) {
      channel = new Resolver({ timeout: this.options.timeoutMs, tries: this.options.tries });
      if (servers.length > 0) channel.setServers(servers.map((server) => (isIPv6(server) ? `[${server}]` : server)));
      this.channels.set(key, channel);
    }
    return channel;
  }

  /** The servers of the system are read when a channel is made: other ones need another channel. */
  private systemChannel(resolvText: string): Resolver {
    if (resolvText !== this.systemText) this.channels.delete('');
    this.systemText = resolvText;
    return this.channel([]);
  }

  /** Changed files are seen within a second; a thousand names do not read them a thousand times. */
  private async readFiles(): Promise<Files> {
    const now = this.options.time.monotonicMs();
    if (this.files !== null && now - (await this.files).readAt < FILES_GOOD_FOR_MS) return this.files;
    this.files = this.readFilesNow(now);
    return this.files;
  }

  private async readFilesNow(readAt: number): Promise<Files> {
    const [hostsText, resolvText] = await Promise.all([this.options.hostsFile, this.options.resolvFile].map((path) => readFile(path, 'utf8').catch(() => '')));
    return { readAt, hosts: readHosts(hostsText!), search: readSearchList(resolvText!), resolvText: resolvText! };
  }
}

async function askFor(channel: Resolver, name: string, family: Question['family']): Promise<Answer> {
  const addresses: FoundAddress[] = [];
  let why = '';
  if (family === 'all') {
    for (const answer of await Promise.all(FAMILIES.all.map((one) => askOne(channel, name, one)))) {
      if (answer.kind === 'found') addresses.push(...answer.addresses);
      else why ||= answer.why;
    }
  } else {
    for (const one of FAMILIES[family]) {
      const answer = await askOne(channel, name, one);
      if (answer.kind === 'found') addresses.push(...answer.addresses);
      else why ||= answer.why;
      if (addresses.length > 0) break;
    }
  }
  // One family that has no address says nothing about another that nobody could tell of.
  return addresses.length > 0 || why === '' ? { kind: 'found', addresses } : { kind: 'failed', why };
}

async function askOne(channel: Resolver, name: string, family: Family): Promise<Answer> {
  try {
    const records = family === 4 ? await channel.resolve4(name, { ttl: true }) : await channel.resolve6(name, { ttl: true });
    return { kind: 'found', addresses: records.map(({ address, ttl }) => ({ host: address, ttlMs: ttl * 1000 })) };
  } catch (error) {
    const why = codeOf(error);
    return why === 'ENODATA' ? { kind: 'found', addresses: [] } : { kind: 'failed', why };
  }
}

/** Of the addresses that a file lists. */
function choose(listed: readonly string[], family: Question['family']): FoundAddress[] {
  const found: string[] = [];
  for (const one of FAMILIES[family]) {
    found.push(...listed.filter(one === 4 ? isIPv4 : isIPv6));
    if (found.length > 0 && family !== 'all') break;
  }
  return found.map((host) => ({ host, ttlMs: 0 }));
}

function codeOf(error: unknown): string {
  return error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : String(error);
}
