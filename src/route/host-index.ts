// @hot
// Which virtual host a Host value belongs to: the exact domain, then the longest `*suffix`, then the longest `prefix*`,
// then `*`. As Envoy: letters' case does not count, the port does (a domain may name one), a wildcard stands for at least
// one character, and a request without a host meets only `*`. Built at load; asked on the worker.

export class HostIndex<T> {
  private readonly exact = new Map<string, T>();
  private readonly suffixes: LengthGroup<T>[] = [];
  private readonly prefixes: LengthGroup<T>[] = [];
  private any: T | null = null;
  private onlyAny = true;

  /** @returns false when the domain is taken. `domain` is a valid one (`domainProblem`). */
  add(domain: string, target: T): boolean {
    if (domain === '*') {
      if (this.any !== null) return false;
      this.any = target;
      return true;
    }
    this.onlyAny = false;
    const text = domain.toLowerCase();
    if (text.startsWith('*')) return addTo(groupOf(this.suffixes, text.length - 1), text.slice(1), target);
    if (text.endsWith('*')) return addTo(groupOf(this.prefixes, text.length - 1), text.slice(0, -1), target);
    return addTo(this.exact, text, target);
  }

  find(authority: string): T | null {
    if (this.onlyAny || authority === '') return this.any;
    const written = this.exact.get(authority);
    if (written !== undefined) return written;
    const host = authority.toLowerCase();
    return this.exact.get(host) ?? this.findWildcard(host) ?? this.any;
  }

  private findWildcard(host: string): T | undefined {
    const { suffixes, prefixes } = this;
    for (let k = 0; k < suffixes.length; k++) {
      const { length, targets } = suffixes[k]!;
      if (length >= host.length) continue;
      const found = targets.get(host.slice(host.length - length));
      if (found !== undefined) return found;
    }
    for (let k = 0; k < prefixes.length; k++) {
      const { length, targets } = prefixes[k]!;
      if (length >= host.length) continue;
      const found = targets.get(host.slice(0, length));
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

/** All wildcards of one length; the groups stand with the longest first. */
interface LengthGroup<T> {
  readonly length: number;
  readonly targets: Map<string, T>;
}

function groupOf<T>(groups: LengthGroup<T>[], length: number): Map<string, T> {
  const found = groups.find((group) => group.length === length);
  if (found !== undefined) return found.targets;
  const targets = new Map<string, T>();
  groups.push({ length, targets });
  groups.sort((a, b) => b.length - a.length);
  return targets;
}

function addTo<T>(targets: Map<string, T>, key: string, target: T): boolean {
  if (targets.has(key)) return false;
  targets.set(key, target);
  return true;
}

const NO_HOST = /[\s/?#]/;

/** What is wrong with a domain, or ''. Not for the road. */
export function domainProblem(domain: string): string {
  if (domain === '') return 'a domain is not empty; "*" is every domain';
  const inner = domain.startsWith('*') ? domain.slice(1) : domain.endsWith('*') ? domain.slice(0, -1) : domain;
  if (inner.includes('*')) return 'a domain holds one *, at its beginning or at its end';
  return NO_HOST.test(domain) ? 'a domain is a host, with a port where the request has one' : '';
}
