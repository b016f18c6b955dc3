// What the system's own files say about names: /etc/hosts, and the search list of /etc/resolv.conf (resolv.conf(5)).
// Primary thread; pure.

export interface SearchList {
  readonly domains: readonly string[];
  /** A name with fewer dots is tried with the domains first. */
  readonly ndots: number;
}

/** By name in lower case: the addresses in the order of the file. Addresses with a zone cannot be connected to here. */
export function readHosts(text: string): Map<string, string[]> {
  const hosts = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    if (address.includes('%')) continue;
    for (const name of names) {
      const key = name.toLowerCase();
      hosts.set(key, [...(hosts.get(key) ?? []), address]);
    }
  }
  return hosts;
}

/** The last `search` or `domain` counts. */
export function readSearchList(text: string): SearchList {
  let domains: string[] = [];
  let ndots = 1;
  for (const line of text.split('\n')) {
    const [key, ...values] = line.replace(/[#;].*/, '').trim().split(/\s+/);
    if (key === 'search') domains = values;
    if (key === 'domain') domains = values.slice(0, 1);
    if (key !== 'options') continue;
    for (const value of values) ndots = Number(/^ndots:(\d+)$/.exec(value)?.[1] ?? ndots);
  }
  return { domains: domains.filter((domain) => domain !== '.'), ndots };
}

/** The names to ask for, in this order. One that ends with a dot is whole. */
export function candidates(name: string, { domains, ndots }: SearchList): string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)];
  const longer = domains.map((domain) => `${name}.${domain.replace(/\.$/, '')}`);
  return name.split('.').length - 1 >= ndots ? [name, ...longer] : [...longer, name];
}
