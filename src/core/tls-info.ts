// What a TLS handshake agreed on, as every room may ask for it: routes, identity, access log. Plain data, made once per connection.

export interface PeerCertificate {
  /** Distinguished names in the form of RFC 2253. */
  readonly subject: string;
  readonly issuer: string;
  /** Hexadecimal, lower case. */
  readonly serial: string;
  /** SHA-256 of the DER form, 64 hexadecimal digits in lower case. */
  readonly fingerprint256: string;
  readonly uriSans: readonly string[];
  readonly dnsSans: readonly string[];
  readonly ipSans: readonly string[];
  /** Wall-clock ms. */
  readonly validFrom: number;
  readonly validTo: number;
}

export interface TlsInfo {
  /** `TLSv1.2`, `TLSv1.3`. */
  readonly version: string;
  /** OpenSSL's name of the cipher suite. */
  readonly cipher: string;
  /** The protocol that ALPN chose; '' when it was not used. */
  readonly alpn: string;
  /** The server name that the client asked for (SNI); '' when it sent none. */
  readonly serverName: string;
  /** The session was resumed. */
  readonly resumed: boolean;
  /** The other side has shown a certificate. */
  readonly hasPeer: boolean;
  /** That certificate; null when it showed none. */
  readonly peer: PeerCertificate | null;
}
