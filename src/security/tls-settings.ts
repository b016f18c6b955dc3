// What a listener or a cluster demands of TLS, ready for an engine: texts are read, checked and parsed. Any thread; plain data,
// no handles. An engine makes its own contexts from it and keeps them as long as somebody uses this object.

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

/** One rule about a name in the other side's certificate; any one that holds is enough. */
export interface SanRule {
  readonly kind: 'dns' | 'uri' | 'ip';
  /** The rule in words, to tell two rules apart. */
  readonly text: string;
  matches(name: string): boolean;
}

export interface CertificatePair {
  /** PEM, leaf first. */
  readonly cert: string;
  readonly key: string;
  /** Lower-case; exact or `*.suffix`. Names that no pair has get the first. */
  readonly serverNames: readonly string[];
}

export interface ServerTls {
  /** The first is the default. */
  readonly pairs: readonly CertificatePair[];
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  /** OpenSSL's names; empty: its own choice. */
  readonly ciphers: readonly string[];
  /** In order of preference. */
  readonly alpn: readonly string[];
  /** PEM of the authorities that may sign a client's certificate; null: none is asked for. */
  readonly clientCa: string | null;
  readonly requireClientCertificate: boolean;
  readonly sans: readonly SanRule[];
  /** 80 bytes each (name, HMAC key, AES key); the first makes new tickets, all open old ones. */
  readonly ticketKeys: readonly Buffer[];
}

export interface ClientTls {
  /** PEM; null: the system's own bundle. */
  readonly ca: string | null;
  /** SNI, and what the certificate must name when `sans` is empty. */
  readonly serverName: string;
  readonly sans: readonly SanRule[];
  /** Our own certificate, where the other side asks for one. */
  readonly pair: CertificatePair | null;
  readonly alpn: readonly string[];
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  readonly insecureSkipVerify: boolean;
}
