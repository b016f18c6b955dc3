// Which way a TLS connection goes by the server name that it asks for: exact names, then the longest `*.suffix`, then `*`.
// Worker thread; pure; made once per configuration. As Envoy's filter chain match, a `*.` stands for any number of labels.

export class ServerNames<T> {
  private readonly exact = new Map<string, T>();
  /** By what follows the asterisk: `.example.com`. */
  private readonly suffixes = new Map<string, T>();
  private readonly rest: T | undefined;

  /** Names in lower case. */
  constructor(entries: readonly (readonly [name: string, value: T])[]) {
    let rest: T | undefined;
    for (const [name, value] of entries) {
      if (name === '*') rest = value;
      else if (name.startsWith('*.')) this.suffixes.set(name.slice(1), value);
      else this.exact.set(name, value);
    }
    this.rest = rest;
  }

  /** `name` in lower case, '' when none was sent. */
  find(name: string): T | undefined {
    const exact = this.exact.get(name);
    if (exact !== undefined) return exact;
    for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
      const found = dot === 0 ? undefined : this.suffixes.get(name.slice(dot));
      if (found !== undefined) return found;
    }
    return this.rest;
  }
}
