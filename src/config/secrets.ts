// What a configuration names in other files, certificates and keys, as the checks and `build/` see it: read once per load,
// so that what was checked is what is used. Primary thread; the root hands in the tools that touch files and OpenSSL.

import { dirname, isAbsolute, join } from 'node:path';

export interface CertificateReport {
  /** DNS names in it, lower-case; its common name where it has none. */
  readonly dnsNames: readonly string[];
  /** Wall-clock ms. */
  readonly validFrom: number;
  readonly validTo: number;
}

export interface SecretTools {
  /** Throws an Error whose message is the rest of a sentence that begins with the file's name. */
  readonly readFile: (path: string) => Buffer;
  /** Of the first certificate in a PEM text; a text when one of them cannot be read. */
  readonly inspectCertificates: (pem: string) => CertificateReport | string;
  /** What is wrong with the private key, or between it and the first certificate; null when nothing is. */
  readonly explainPair: (cert: string, key: string) => string | null;
  readonly explainCiphers: (names: readonly string[]) => string | null;
  readonly wallMs: () => number;
}

export class SecretFiles {
  readonly tools: SecretTools;
  private readonly directory: string;
  private readonly texts = new Map<string, Buffer | Error>();

  /** @param file of the configuration; relative paths are relative to it. */
  constructor(tools: SecretTools, file: string) {
    this.tools = tools;
    this.directory = dirname(file);
  }

  path(name: string): string {
    return isAbsolute(name) ? name : join(this.directory, name);
  }

  /** The content, or what is wrong. */
  read(name: string): Buffer | Error {
    const path = this.path(name);
    let content = this.texts.get(path);
    if (content === undefined) {
      try {
        content = this.tools.readFile(path);
      } catch (error) {
        content = error instanceof Error ? error : new Error(String(error));
      }
      this.texts.set(path, content);
    }
    return content;
  }

  /** The text of a file that the checks have found good. */
  text(name: string): string {
    const content = this.read(name);
    if (content instanceof Error) throw content;
    return content.toString('latin1');
  }

  /** Every file that was asked for, whether it could be read or not. */
  get paths(): readonly string[] {
    return [...this.texts.keys()];
  }
}
