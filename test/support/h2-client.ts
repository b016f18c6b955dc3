// node's own HTTP/2 client, wrapped for tests: one request, all of its answer. Test code only.

import { connect, constants, type ClientHttp2Session, type ClientSessionOptions, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2';

export interface H2Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly interim: readonly IncomingHttpHeaders[];
  readonly trailers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** NO_ERROR (0) after a complete answer. */
  readonly code: number;
}

export interface H2Request {
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: Buffer | readonly Buffer[];
  readonly trailers?: OutgoingHttpHeaders;
  /** Takes the portions of the answer instead of their being kept. */
  readonly onBytes?: (bytes: Buffer) => void;
}

export class H2Client {
  readonly session: ClientHttp2Session;
  /** `lastStreamID code` of each GOAWAY. */
  readonly goaways: string[] = [];
  closed = false;

  private constructor(session: ClientHttp2Session) {
    this.session = session;
    session.on('goaway', (code, lastStreamID) => this.goaways.push(`${lastStreamID} ${code}`));
    session.on('close', () => (this.closed = true));
    session.on('error', () => undefined);
  }

  static open(address: string, options: ClientSessionOptions = {}): Promise<H2Client> {
    const session = connect(`http://${address}`, options);
    return new Promise((resolve, reject) => {
      session.once('error', reject);
      session.once('remoteSettings', () => resolve(new H2Client(session)));
    });
  }

  request(path: string, { headers = {}, body, trailers, onBytes }: H2Request = {}): Promise<H2Answer> {
    const stream = this.session.request({ ':path': path, ':method': body === undefined ? 'GET' : 'POST', ...headers }, {
      endStream: body === undefined && trailers === undefined,
      waitForTrailers: trailers !== undefined,
    });
    const interim: IncomingHttpHeaders[] = [];
    const chunks: Buffer[] = [];
    let found: IncomingHttpHeaders = {};
    let tail: IncomingHttpHeaders = {};
    stream.on('headers', (fields) => interim.push(fields));
    stream.on('response', (fields) => (found = fields));
    stream.on('trailers', (fields) => (tail = fields));
    stream.on('data', (bytes: Buffer) => (onBytes === undefined ? chunks.push(bytes) : onBytes(bytes)));
    if (trailers !== undefined) stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    if (body !== undefined || trailers !== undefined) {
      for (const part of body === undefined ? [] : Array.isArray(body) ? (body as Buffer[]) : [body as Buffer]) stream.write(part);
      stream.end();
    }
    return new Promise((resolve) => {
      stream.on('error', () => undefined);
      stream.on('close', () => resolve({
        status: Number(found[':status'] ?? 0), headers: found, interim, trailers: tail, body: Buffer.concat(chunks), code: stream.rstCode ?? 0,
      }));
    });
  }

  close(): void {
    this.session.destroy();
  }
}

export const { NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR } = constants;
