// A descriptor of the epoll engine and the names of its two ends. Worker thread; the part of a connection that knows no
// bytes. Text is made when somebody asks: most addresses of most connections are never read.

import type { Address } from '../../core/address.ts';
import type { EpollLoop } from './epoll-loop.ts';
import { originalDestination } from './original-destination.ts';
import { ipv4Text, isMappedIpv4, readSockaddr } from './sockaddr.ts';
import { AF_INET, AF_INET6 } from './system.ts';

export class EpollSocket {
  /** -1 once it is closed. */
  fd: number;
  remotePort = 0;
  protected readonly loop: EpollLoop;
  private remote: string | null = null;
  private remoteIpv4 = 0;
  private local: Address | null = null;
  /** `local` is not the socket's own. */
  private restored = false;

  constructor(loop: EpollLoop, fd: number) {
    this.loop = loop;
    this.fd = fd;
  }

  /** Takes the peer from the address that `accept` left. */
  setPeer(sockaddr: Buffer, length: number): void {
    const family = length >= 16 ? sockaddr.readUInt16LE(0) : 0;
    if (family === AF_INET || (family === AF_INET6 && isMappedIpv4(sockaddr))) {
      this.remoteIpv4 = sockaddr.readInt32BE(family === AF_INET ? 4 : 20);
      this.remotePort = sockaddr.readUInt16BE(2);
    } else {
      this.setRemote(readSockaddr(sockaddr, length));
    }
  }

  setRemote(address: Address): void {
    if (address.kind === 'ip') {
      this.remote = address.host;
      this.remotePort = address.port;
    } else {
      this.remote = address.path;
    }
  }

  get remoteAddress(): string {
    this.remote ??= ipv4Text(this.remoteIpv4);
    return this.remote;
  }

  get localAddress(): string {
    const local = this.localName();
    return local === null ? '' : local.kind === 'ip' ? local.host : local.path;
  }

  get localPort(): number {
    const local = this.localName();
    return local !== null && local.kind === 'ip' ? local.port : 0;
  }

  /** What a preamble says of the two ends. */
  readdress(remoteAddress: string, remotePort: number, localAddress: string, localPort: number): void {
    this.remote = remoteAddress;
    this.remotePort = remotePort;
    this.local = { kind: 'ip', host: localAddress, port: localPort };
    this.restored = true;
  }

  get originalDestination(): Address | null {
    return this.restored ? this.local : originalDestination(this.loop.system, this.fd);
  }

  private localName(): Address | null {
    if (this.local === null && this.fd >= 0) {
      const system = this.loop.system;
      if (system.sockName(this.fd) >= 0) this.local = readSockaddr(system.sockaddr, system.sockaddrLength);
    }
    return this.local;
  }
}
