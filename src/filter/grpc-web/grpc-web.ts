// @hot
// gRPC-Web, binary and text, as gRPC to the host (the gRPC project's PROTOCOL-WEB, Envoy's grpc_web filter). Worker thread.
// What a browser cannot read, the trailers, goes to it as a last frame of the body; text is base64 of the same bytes.
// Requests with another content-type pass untouched, and so do answers that are no gRPC.

import { FIELD_CONTENT_LENGTH, FIELD_CONTENT_TYPE } from '../../core/fields.ts';
import type { Head } from '../../core/head.ts';
import { BODY_CHUNKED, BODY_LENGTH, BODY_NONE, type Stream } from '../../core/stream.ts';
import { CONTINUE, Filter, type FilterSeat, type Step } from '../filter.ts';
import { Base64Reader } from './base64-reader.ts';

const WEB = 'application/grpc-web';
const TEXT = 'application/grpc-web-text';
const GRPC = 'application/grpc';
/** The flag of a frame that holds trailers, and the bytes before its lines. */
const TRAILER_FLAG = 0x80;
const FRAME_HEAD = 5;

export class GrpcWeb extends Filter {
  /** It is a gRPC-Web call, and its answer is one, too. */
  private calls = false;
  private answers = false;
  private textAnswer = false;
  private reader: Base64Reader | null = null;

  override onRequest(stream: Stream, seat: FilterSeat): Step {
    const { reqHead } = stream;
    const type = reqHead.known(FIELD_CONTENT_TYPE) ?? '';
    const format = formatOf(type);
    if (format === null) return CONTINUE;
    this.calls = true;
    this.textAnswer = (reqHead.get('accept') ?? '').startsWith(TEXT);
    stream.isGrpc = true;
    seat.routeChanged = true; // routes may look at the content-type
    reqHead.set('content-type', GRPC + format);
    reqHead.set('te', 'trailers');
    reqHead.set('grpc-accept-encoding', 'identity,deflate,gzip');
    if (!type.startsWith(TEXT)) return CONTINUE;
    this.reader = new Base64Reader();
    reqHead.dropId(FIELD_CONTENT_LENGTH);
    if (stream.reqBody === BODY_LENGTH) stream.reqBody = BODY_CHUNKED;
    return CONTINUE;
  }

  override onRequestData(_stream: Stream, chunk: Buffer, last: boolean): Buffer | null {
    return this.reader === null ? chunk : this.reader.read(chunk, last);
  }

  override onResponse(stream: Stream): void {
    if (!this.calls) return;
    const { resHead } = stream;
    const type = resHead.get('content-type') ?? '';
    if (!type.startsWith(GRPC)) return;
    this.answers = true;
    resHead.set('content-type', (this.textAnswer ? TEXT : WEB) + type.slice(GRPC.length));
    // A head that is the whole answer has its status in it already.
    if (stream.resBody === BODY_NONE || (stream.isLocalReply && stream.resBody === BODY_LENGTH)) return;
    resHead.dropId(FIELD_CONTENT_LENGTH);
    stream.resBody = BODY_CHUNKED;
  }

  override onResponseData(stream: Stream, chunk: Buffer, last: boolean): Buffer {
    if (!this.answers) return chunk;
    let bytes = chunk;
    if (last && stream.resTrailers !== null) {
      bytes = Buffer.concat([chunk, trailerFrame(stream.resTrailers)]);
      stream.resTrailers = null;
    }
    return this.textAnswer && bytes.length > 0 ? Buffer.from(bytes.toString('base64'), 'latin1') : bytes;
  }
}

/** What stands behind the type (`+proto`); null when it is no gRPC-Web. */
function formatOf(type: string): string | null {
  if (!type.startsWith(WEB)) return null;
  const format = type.slice(type.startsWith(TEXT) ? TEXT.length : WEB.length);
  return format === '' || format.startsWith('+') || format.startsWith(';') ? format : null;
}

/** Trailers as a browser reads them. */
function trailerFrame(trailers: Head): Buffer {
  let lines = '';
  for (let i = 0; i < trailers.count; i++) {
    if (trailers.dropped[i] === 0) lines += `${trailers.name(i).toLowerCase()}:${trailers.value(i)}\r\n`;
  }
  const { added } = trailers;
  for (let k = 0; k < added.length; k += 2) lines += `${added[k]!.toLowerCase()}:${added[k + 1]!}\r\n`;
  const frame = Buffer.allocUnsafe(FRAME_HEAD + lines.length);
  frame[0] = TRAILER_FLAG;
  frame.writeUInt32BE(lines.length, 1);
  frame.latin1Write(lines, FRAME_HEAD);
  return frame;
}
