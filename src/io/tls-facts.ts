// What a handshake agreed on, as both engines note it. Worker thread; made once per connection and never changed.

import { X509Certificate } from 'node:crypto';

import type { PeerCertificate, TlsInfo } from '../core/tls-info.ts';
import { describeCertificate } from '../security/certificate.ts';

interface Agreed {
  readonly version: string;
  readonly cipher: string;
  readonly alpn: string;
  readonly serverName: string;
  readonly resumed: boolean;
  /** DER, or null without one. */
  readonly certificate: Buffer | null;
}

export class TlsFacts implements TlsInfo {
  readonly version: string;
  readonly cipher: string;
  readonly alpn: string;
  readonly serverName: string;
  readonly resumed: boolean;
  private readonly certificate: Buffer | null;
  private described: PeerCertificate | null = null;

  constructor(agreed: Agreed) {
    this.version = agreed.version;
    this.cipher = agreed.cipher;
    this.alpn = agreed.alpn;
    this.serverName = agreed.serverName;
    this.resumed = agreed.resumed;
    this.certificate = agreed.certificate;
  }

  get hasPeer(): boolean {
    return this.certificate !== null;
  }

  /** Read when somebody asks: it costs more than the rest together. */
  get peer(): PeerCertificate | null {
    if (this.certificate === null) return null;
    this.described ??= describeCertificate(new X509Certificate(this.certificate));
    return this.described;
  }
}
