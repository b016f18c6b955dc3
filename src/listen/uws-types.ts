// The part of uWebSockets.js that the uws engine uses: the library is an optional peer, so its own types may be absent.

export type ListenSocket = object;
type Bytes = string | ArrayBuffer | Uint8Array;

export interface HttpRequest {
  getCaseSensitiveMethod(): string;
  getUrl(): string;
  getQuery(): string | undefined;
  forEach(each: (name: string, value: string) => void): void;
}

export interface HttpResponse {
  writeStatus(status: string): HttpResponse;
  writeHeader(name: string, value: string): HttpResponse;
  /** False: kept in memory, `onWritable` follows. */
  write(chunk: Bytes): boolean;
  end(body?: Bytes, closeConnection?: boolean): HttpResponse;
  endWithoutBody(length?: number, closeConnection?: boolean): HttpResponse;
  tryEnd(chunk: Bytes, total: number): [ok: boolean, done: boolean];
  getWriteOffset(): number;
  onWritable(handler: (offset: number) => boolean): HttpResponse;
  onAborted(handler: () => void): HttpResponse;
  onData(handler: (chunk: ArrayBuffer, last: boolean) => void): HttpResponse;
  cork(handler: () => void): HttpResponse;
  pause(): void;
  resume(): void;
  close(): HttpResponse;
  getRemoteAddressAsText(): ArrayBuffer;
}

export interface UwsApp {
  any(pattern: string, handler: (res: HttpResponse, req: HttpRequest) => void): UwsApp;
  filter(handler: (res: HttpResponse, change: number) => void): UwsApp;
  listen(host: string, port: number, done: (socket: ListenSocket | false) => void): UwsApp;
  listen_unix(done: (socket: ListenSocket | false) => void, path: string): UwsApp;
  close(): UwsApp;
}

export interface UwsModule {
  App(): UwsApp;
  _cfg(text: string): void;
  us_listen_socket_close(socket: ListenSocket): void;
  us_socket_local_port(socket: ListenSocket): number;
}
