// What can be wrong with an HTTP/1.1 message: the negative numbers the parsers return, and what each of them is answered.
// Any thread; constants only. `status` is for requests; a malformed answer of an upstream is 502 whatever it broke.
// `details` are Envoy's response code details where Envoy has one; `text` is for people (logs, 4xx bodies).

export const ERR_METHOD = -1;
export const ERR_METHOD_TOO_LONG = -2;
export const ERR_EMPTY_LINES = -3;
export const ERR_TARGET_BYTE = -4;
export const ERR_TARGET = -5;
export const ERR_SCHEME = -6;
export const ERR_HTTP09 = -7;
export const ERR_VERSION = -8;
export const ERR_VERSION_UNSUPPORTED = -9;
export const ERR_STATUS_LINE = -10;
export const ERR_STATUS = -11;
export const ERR_REASON = -12;
export const ERR_LINE_END = -13;
export const ERR_FOLD = -14;
export const ERR_NAME = -15;
export const ERR_SPACE_BEFORE_COLON = -16;
export const ERR_VALUE = -17;
export const ERR_HEAD_TOO_LARGE = -18;
export const ERR_TOO_MANY_FIELDS = -19;
export const ERR_CONTENT_LENGTH = -20;
export const ERR_CONTENT_LENGTH_REPEATED = -21;
export const ERR_TRANSFER_ENCODING = -22;
export const ERR_TRANSFER_ENCODING_REPEATED = -23;
export const ERR_TRANSFER_ENCODING_IN_10 = -24;
export const ERR_BOTH_FRAMINGS = -25;
export const ERR_HOST = -26;
export const ERR_HOST_REPEATED = -27;
export const ERR_HOST_MISSING = -28;
export const ERR_CONNECTION = -29;
export const ERR_CONNECT_BODY = -30;
export const ERR_FRAMING_ON_BODILESS = -31;
export const ERR_CHUNK_SIZE = -32;
export const ERR_CHUNK_TOO_LARGE = -33;
export const ERR_CHUNK_EXTENSION = -34;
export const ERR_CHUNK_LINE_TOO_LONG = -35;
export const ERR_CHUNK_END = -36;
export const ERR_CHUNK_OVERHEAD = -37;
// Not returned by the parsers: the listener's own rules, here so that all refusals stand in one table.
export const ERR_HTTP10_REFUSED = -38;
export const ERR_HTTPS_IN_PLAINTEXT = -39;

export interface H1Error {
  /** The constant's name in words, for logs and tests. */
  readonly name: string;
  readonly status: number;
  readonly details: string;
  readonly text: string;
}

const CODEC = 'http1.codec_error';
const URL = 'http1.invalid_url';
const TRANSFER_ENCODING = 'http1.invalid_transfer_encoding';

const ROWS: readonly (readonly [name: string, status: number, details: string, text: string])[] = [
  ['none', 500, '', ''],
  ['method', 400, CODEC, 'the method is not a token followed by one space'],
  ['method-too-long', 501, CODEC, 'the method is longer than 64 bytes'],
  ['empty-lines', 400, CODEC, 'too many empty lines before the request line'],
  ['target-byte', 400, URL, 'the request target holds a control character or a fragment'],
  ['target', 400, URL, 'the request target has none of the four forms, or not the one its method takes'],
  ['scheme', 400, 'http1.invalid_scheme', 'the request target has a scheme other than http and https'],
  ['http09', 400, CODEC, 'the request line has no version'],
  ['version', 400, CODEC, 'the version is not written as HTTP/digit.digit'],
  ['version-unsupported', 505, CODEC, 'the version is neither HTTP/1.1 nor HTTP/1.0'],
  ['status-line', 400, CODEC, 'the answer does not begin with HTTP/1.1 or HTTP/1.0 and a space'],
  ['status', 400, CODEC, 'the status is not a number from 100 to 999'],
  ['reason', 400, CODEC, 'the reason phrase holds a control character'],
  ['line-end', 400, CODEC, 'a line ends with a bare CR or a bare LF'],
  ['fold', 400, CODEC, 'a field line begins with white space (obsolete line folding)'],
  ['name', 400, CODEC, 'a field name is empty or not a token'],
  ['space-before-colon', 400, CODEC, 'white space stands between a field name and its colon'],
  ['value', 400, 'http1.invalid_characters', 'a field value holds a control character'],
  ['head-too-large', 431, 'http1.headers_too_large', 'the head is larger than the limit'],
  ['too-many-fields', 431, 'http1.too_many_headers', 'the head has more fields than the limit'],
  ['content-length', 400, CODEC, 'content-length is not a plain decimal number'],
  ['content-length-repeated', 400, CODEC, 'content-length occurs more than once'],
  ['transfer-encoding', 501, TRANSFER_ENCODING, 'transfer-encoding is something other than chunked'],
  ['transfer-encoding-repeated', 400, TRANSFER_ENCODING, 'transfer-encoding occurs more than once'],
  ['transfer-encoding-in-10', 400, 'http1.transfer_encoding_not_allowed', 'transfer-encoding in an HTTP/1.0 message'],
  ['both-framings', 400, 'http1.content_length_and_chunked_not_allowed', 'both content-length and transfer-encoding are present'],
  ['host', 400, 'http.invalid_authority', 'the host is not a name or address with an optional port'],
  ['host-repeated', 400, CODEC, 'host occurs more than once'],
  ['host-missing', 400, 'missing_host_header', 'an HTTP/1.1 request has no host'],
  ['connection', 400, 'http1.connection_header_rejected', 'the connection field is malformed or names too many fields'],
  ['connect-body', 400, 'http1.body_disallowed', 'a CONNECT request announces a body'],
  ['framing-on-bodiless', 400, 'http1.transfer_encoding_not_allowed', 'an answer that has no body (1xx, 204) announces one'],
  ['chunk-size', 400, CODEC, 'a chunk size is not a plain hexadecimal number'],
  ['chunk-too-large', 400, CODEC, 'a chunk size is larger than a number can hold'],
  ['chunk-extension', 400, CODEC, 'a chunk extension holds a control character'],
  ['chunk-line-too-long', 400, CODEC, 'a chunk size line is longer than 4096 bytes'],
  ['chunk-end', 400, CODEC, 'chunk data is not followed by CRLF'],
  ['chunk-overhead', 400, CODEC, 'the chunk lines are out of proportion to the data'],
  ['http10-refused', 426, 'low_version', 'HTTP/1.0 is not accepted here'],
  ['https-in-plaintext', 403, 'http1.https_url_on_plaintext_connection', 'an https target on a connection without TLS'],
];

const TABLE: readonly H1Error[] = ROWS.map(([name, status, details, text]) => Object.freeze({ name, status, details, text }));

/** What to answer to, and to write about, a negative result of a parser. */
export function describeError(code: number): H1Error {
  return TABLE[-code] ?? TABLE[0]!;
}

/** Number of codes, for tests and tables: codes run from -1 to -ERROR_COUNT. */
export const ERROR_COUNT = ROWS.length - 1;
