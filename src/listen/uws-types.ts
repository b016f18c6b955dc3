// The part of uWebSockets.js that the uws engine uses: the library is an optional peer, so its own types may be absent.

export type ListenSocket = object;
type Bytes = string | ArrayBuffer | Uint8Array;

/** Valid during the handler only. */
export interface HttpRequest {
  getCaseSensitiveMethod(): string;
  getUrl(): string;
  /** Without its `?`; undefined when there is none, which is not the same as an empty one. */
  getQuery(): string | undefined;
  /** Names in lower case, values decoded as UTF-8. */
  forEach(each: (name: string, value: string) => void): void;
  /** The first field of that name, decoded as latin1. */
  getHeader(lowerName: string): string;
}

/** Valid until it was aborted, or ended; every call afterwards throws. */
export interface HttpResponse {
  writeStatus(status: Bytes): HttpResponse;
  /** A chunk. False: what the socket did not take is kept by the library, without bound. */
  write(chunk: Bytes): boolean;
  end(body?: Bytes, closeConnection?: boolean): HttpResponse;
  endWithoutBody(): HttpResponse;
  /** Bytes of a body of known length. What the socket does not take is not kept. `done`: that was the last one. */
  tryEnd(chunk: Bytes, total: number): [ok: boolean, done: boolean];
  /** Bytes that `tryEnd` has taken. */
  getWriteOffset(): number;
  onWritable(handler: (offset: number) => boolean): HttpResponse;
  onAborted(handler: () => void): HttpResponse;
  /** The chunk is valid during the call only. */
  onData(handler: (chunk: ArrayBuffer, last: boolean) => void): HttpResponse;
  cork(handler: () => void): HttpResponse;
  pause(): void;
  resume(): void;
  close(): HttpResponse;
  /** 4 or 16 bytes; none on a unix socket. */
  getRemoteAddress(): ArrayBuffer;
}

export interface UwsApp {
  any(pattern: string, handler: (res: HttpResponse, req: HttpRequest) => void): UwsApp;
  /** Called for each connection that comes (1) and goes (-1). */
  filter(handler: (res: HttpResponse, change: number) => void): UwsApp;
  listen(host: string, port: number, done: (socket: ListenSocket | false) => void): UwsApp;
  listen_unix(done: (socket: ListenSocket | false) => void, path: string): UwsApp;
  /** Closes every socket, busy ones too. */
  close(): UwsApp;
}

export interface UwsModule {
  App(): UwsApp;
  _cfg(text: string): void;
  us_listen_socket_close(socket: ListenSocket): void;
  us_socket_local_port(socket: ListenSocket): number;
}
