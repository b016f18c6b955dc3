// The operators of access logs and of header values (`%REQ(:PATH)%`): Envoy's names, compiled once into readers of a
// Stream. Any thread at load; the readers run on workers. What is missing reads as undefined.

import { formatHostPort } from '../core/address.ts';
import { FIELD_X_REQUEST_ID } from '../core/fields.ts';
import { GRPC_NAMES } from '../core/grpc-status.ts';
import { formatFlags } from '../core/flags.ts';
import type { StreamRecord } from '../core/stream.ts';
import { utf8Bytes } from './byte-text.ts';
import { type Command, FormatError } from './format-syntax.ts';
import { compileHeader, compilePath, compileQueryParam, fieldValue } from './header-operators.ts';
import { DEFAULT_TIME, TimeFormat } from './time-format.ts';

export type Read = (stream: StreamRecord) => string | number | undefined;

/** What a reader needs to be still there when the line is written. */
export type Needs = 'request' | 'response' | 'trailers' | null;

export interface Operator {
  readonly read: Read;
  readonly needs: Needs;
  /** Known already at load. */
  readonly constant?: string;
}

/** The process as operators see it; handed in by the root. */
export interface Environment {
  readonly hostname: string;
  readonly variables: Readonly<Record<string, string | undefined>>;
}

/** Operators without arguments. */
const SIMPLE: Readonly<Record<string, Read>> = {
  PROTOCOL: (s) => s.down?.protocol,
  UPSTREAM_PROTOCOL: (s) => (s.upstreamProtocol === '' ? undefined : s.upstreamProtocol),
  RESPONSE_CODE: (s) => s.status,
  RESPONSE_FLAGS: (s) => (s.flags === 0 ? '-' : formatFlags(s.flags)),
  RESPONSE_FLAGS_LONG: (s) => (s.flags === 0 ? '-' : formatFlags(s.flags, true)),
  BYTES_RECEIVED: (s) => s.bytesReceived,
  BYTES_SENT: (s) => s.bytesSent,
  DURATION: (s) => elapsed(s.startAt, s.endAt),
  REQUEST_DURATION: (s) => elapsed(s.startAt, s.requestEndAt),
  RESPONSE_DURATION: (s) => (answeredUpstream(s) ? elapsed(s.startAt, s.responseStartAt) : undefined),
  RESPONSE_TX_DURATION: (s) => (answeredUpstream(s) ? elapsed(s.responseStartAt, s.endAt) : undefined),
  REQUESTED_SERVER_NAME: (s) => name(s.serverName),
  GRPC_STATUS_NUMBER: (s) => (s.grpcStatus < 0 ? undefined : s.grpcStatus),
  ROUTE_NAME: (s) => name(s.routeName),
  CONNECTION_ID: (s) => s.connectionId,
  UPSTREAM_CONNECTION_ID: (s) => s.upstreamConnectionId,
  UPSTREAM_REQUEST_ATTEMPT_COUNT: (s) => s.attempts,
  UPSTREAM_CLUSTER: (s) => name(s.clusterName),
  UPSTREAM_CLUSTER_RAW: (s) => name(s.clusterName),
  UPSTREAM_HOST: (s) => name(s.upstreamHost),
  UPSTREAM_HOST_NAME: (s) => name(s.upstreamHostname || s.upstreamHost),
  UPSTREAM_HOST_NAME_WITHOUT_PORT: (s) => s.upstreamHostname || withoutPort(s.upstreamHost),
  UPSTREAM_REMOTE_ADDRESS: (s) => name(remoteOf(s)),
  UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: (s) => withoutPort(remoteOf(s)),
  UPSTREAM_REMOTE_PORT: (s) => portOf(remoteOf(s)),
  UPSTREAM_LOCAL_ADDRESS: (s) => name(s.upstreamLocalAddress),
  UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: (s) => withoutPort(s.upstreamLocalAddress),
  UPSTREAM_LOCAL_PORT: (s) => portOf(s.upstreamLocalAddress),
  DOWNSTREAM_REMOTE_ADDRESS: (s) => hostPort(s.trustedAddress, trustedPort(s)),
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: (s) => name(s.trustedAddress),
  DOWNSTREAM_REMOTE_PORT: (s) => (isIp(s.trustedAddress) ? trustedPort(s) : undefined),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: (s) => hostPort(s.remoteAddress, s.remotePort),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: (s) => name(s.remoteAddress),
  DOWNSTREAM_DIRECT_REMOTE_PORT: (s) => (isIp(s.remoteAddress) ? s.remotePort : undefined),
  DOWNSTREAM_LOCAL_ADDRESS: (s) => hostPort(s.localAddress, s.localPort),
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: (s) => name(s.localAddress),
  DOWNSTREAM_LOCAL_PORT: (s) => (isIp(s.localAddress) ? s.localPort : undefined),
  DOWNSTREAM_DIRECT_LOCAL_ADDRESS: (s) => hostPort(s.localAddress, s.localPort),
  DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT: (s) => name(s.localAddress),
  DOWNSTREAM_TLS_VERSION: (s) => s.tls?.version,
  DOWNSTREAM_TLS_CIPHER: (s) => s.tls?.cipher,
  DOWNSTREAM_PEER_SUBJECT: (s) => name(s.tls?.peer?.subject ?? ''),
  DOWNSTREAM_PEER_ISSUER: (s) => name(s.tls?.peer?.issuer ?? ''),
  DOWNSTREAM_PEER_SERIAL: (s) => s.tls?.peer?.serial,
  DOWNSTREAM_PEER_FINGERPRINT_256: (s) => s.tls?.peer?.fingerprint256,
  DOWNSTREAM_PEER_URI_SAN: (s) => name(s.tls?.peer?.uriSans.join(',') ?? ''),
  DOWNSTREAM_PEER_DNS_SAN: (s) => name(s.tls?.peer?.dnsSans.join(',') ?? ''),
  DOWNSTREAM_PEER_IP_SAN: (s) => name(s.tls?.peer?.ipSans.join(',') ?? ''),
  DOWNSTREAM_PEER_CERT_V_START: (s) => instant(s.tls?.peer?.validFrom),
  DOWNSTREAM_PEER_CERT_V_END: (s) => instant(s.tls?.peer?.validTo),
  DOWNSTREAM_DIRECT_LOCAL_PORT: (s) => (isIp(s.localAddress) ? s.localPort : undefined),
};

/** Envoy has them, Nuncio does not yet have what they would show. */
const LATER: ReadonlySet<string> = new Set([
  'ACCESS_LOG_TYPE', 'BYTES_RETRANSMITTED', 'CEL', 'CLUSTER_METADATA', 'COMMON_DURATION', 'CONNECTION_TERMINATION_DETAILS', 'CUSTOM_FLAGS',
  'DOWNSTREAM_DETECTED_CLOSE_TYPE', 'DOWNSTREAM_HANDSHAKE_DURATION', 'DOWNSTREAM_HEADER_BYTES_RECEIVED', 'DOWNSTREAM_HEADER_BYTES_SENT',
  'DOWNSTREAM_LOCAL_CLOSE_REASON', 'DOWNSTREAM_TRANSPORT_FAILURE_REASON', 'DOWNSTREAM_WIRE_BYTES_RECEIVED', 'DOWNSTREAM_WIRE_BYTES_SENT',
  'DYNAMIC_METADATA', 'EMIT_TIME_LOCAL', 'FILTER_CHAIN_NAME', 'FILTER_STATE', 'LISTENER_METADATA', 'METADATA',
  'PACKETS_RETRANSMITTED', 'QUERY_PARAMS', 'REQUEST_HEADERS_BYTES', 'REQUEST_TX_DURATION', 'RESPONSE_HEADERS_BYTES',
  'RESPONSE_TRAILERS_BYTES', 'ROUNDTRIP_DURATION', 'START_TIME_LOCAL', 'TRACE_ID', 'UNIQUE_ID', 'UPSTREAM_CONNECTION_POOL_READY_DURATION',
  'UPSTREAM_DETECTED_CLOSE_TYPE', 'UPSTREAM_FILTER_STATE', 'UPSTREAM_HEADER_BYTES_RECEIVED', 'UPSTREAM_HEADER_BYTES_SENT', 'UPSTREAM_LOCAL_CLOSE_REASON',
  'UPSTREAM_METADATA', 'UPSTREAM_TRANSPORT_FAILURE_REASON', 'UPSTREAM_WIRE_BYTES_RECEIVED', 'UPSTREAM_WIRE_BYTES_SENT', 'VIRTUAL_CLUSTER_NAME',
]);
const LATER_FAMILIES = ['DOWNSTREAM_LOCAL_', 'DOWNSTREAM_PEER_', 'DOWNSTREAM_TLS_', 'UPSTREAM_LOCAL_', 'UPSTREAM_PEER_', 'UPSTREAM_TLS_'];

/** @throws FormatError */
export function compileOperator(command: Command, environment: Environment): Operator {
  const { name: operator, args, length } = command;
  const simple = Object.hasOwn(SIMPLE, operator) ? SIMPLE[operator] : undefined;
  if (simple !== undefined) {
    if (args !== null || length !== null) throw new FormatError(`${operator} does not take any parameters or length`);
    return { read: simple, needs: null };
  }
  switch (operator) {
    case 'START_TIME': {
      const time = timeFormat(command);
      return { read: (s) => time.format(s.startWall), needs: null };
    }
    case 'EMIT_TIME': {
      const time = timeFormat(command);
      return { read: (s) => time.format(s.startWall + (s.endAt === 0 ? 0 : s.endAt - s.startAt)), needs: null };
    }
    case 'GRPC_STATUS':
      if (length !== null) throw new FormatError('GRPC_STATUS does not take a length');
      return { read: grpcStatusReader(args ?? ''), needs: null };
    case 'RESPONSE_CODE_DETAILS':
      return { read: readDetails(args), needs: null };
    case 'STREAM_ID':
      if (args !== null || length !== null) throw new FormatError('STREAM_ID does not take any parameters or length');
      return { read: (s) => fieldValue(s.reqHead, 'x-request-id', FIELD_X_REQUEST_ID), needs: 'request' };
    case 'HOSTNAME':
      return constant(utf8Bytes(environment.hostname));
    case 'ENVIRONMENT': {
      if (args === null || args === '') throw new FormatError('ENVIRONMENT requires parameters');
      const value = Object.hasOwn(environment.variables, args) ? environment.variables[args] : undefined;
      return constant(truncated(utf8Bytes(value ?? '-'), length));
    }
    case 'PATH':
      return compilePath(args, length);
    case 'QUERY_PARAM':
      return compileQueryParam(args, length);
    default:
      return compileHeader(command) ?? refuse(operator);
  }
}

function refuse(operator: string): never {
  if (LATER.has(operator) || LATER_FAMILIES.some((family) => operator.startsWith(family))) throw new FormatError(`the operator ${operator} does not work yet`);
  throw new FormatError(`there is no operator ${operator}`);
}

function timeFormat({ name: operator, args, length }: Command): TimeFormat {
  if (length !== null) throw new FormatError(`${operator} does not take a length`);
  return new TimeFormat(args === null || args === '' ? DEFAULT_TIME : utf8Bytes(args));
}

/** Details are one word in a log line unless ALLOW_WHITESPACES is given. */
function readDetails(args: string | null): Read {
  if (args === 'ALLOW_WHITESPACES') return (s) => name(s.details);
  if (args !== null && args !== '') throw new FormatError('RESPONSE_CODE_DETAILS takes ALLOW_WHITESPACES or nothing');
  return (s) => (s.details.includes(' ') ? s.details.replaceAll(' ', '_') : name(s.details));
}

function grpcStatusReader(form: string): Read {
  switch (form) {
    case '':
    case 'CAMEL_STRING':
      return (s) => (s.grpcStatus < 0 ? undefined : (GRPC_NAMES[s.grpcStatus]?.[0] ?? s.grpcStatus));
    case 'SNAKE_STRING':
      return (s) => (s.grpcStatus < 0 ? undefined : (GRPC_NAMES[s.grpcStatus]?.[1] ?? s.grpcStatus));
    case 'NUMBER':
      return (s) => (s.grpcStatus < 0 ? undefined : s.grpcStatus);
    default:
      throw new FormatError('GRPC_STATUS takes CAMEL_STRING, SNAKE_STRING, NUMBER or nothing');
  }
}

function constant(text: string): Operator {
  return { read: () => text, needs: null, constant: text };
}

function truncated(text: string, length: number | null): string {
  return length === null ? text : text.slice(0, length);
}

/** Whole milliseconds, rounded down as Envoy does; undefined when it has not come to the end. */
function elapsed(from: number, to: number): number | undefined {
  return to === 0 ? undefined : Math.floor(to - from);
}

/** The head of an answer of our own has no bytes that were received. */
function answeredUpstream(s: StreamRecord): boolean {
  return s.responseStartAt !== 0 && s.resHead.length > 0;
}

function name(text: string): string | undefined {
  return text === '' ? undefined : utf8Bytes(text);
}

/** As Envoy shows a time without format. */
function instant(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString();
}

// Addresses: an IP literal with port, or the path of a unix socket.

function isIp(address: string): boolean {
  const first = address.charCodeAt(0);
  return address !== '' && first !== 47 && first !== 64;
}

function hostPort(address: string, port: number): string | undefined {
  return isIp(address) ? formatHostPort(address, port) : name(address);
}

/** An address out of x-forwarded-for has no port. */
function trustedPort(s: StreamRecord): number {
  return s.trustedAddress === s.remoteAddress ? s.remotePort : 0;
}

/** As Envoy: the host is known when it is picked, its address only when a connection to it is there. */
function remoteOf(s: StreamRecord): string {
  return s.upstreamConnectionId === 0 ? '' : s.upstreamHost;
}

function withoutPort(hostAndPort: string): string | undefined {
  if (hostAndPort === '' || !isIp(hostAndPort)) return name(hostAndPort);
  const host = hostAndPort.slice(0, hostAndPort.lastIndexOf(':'));
  return host.startsWith('[') ? host.slice(1, -1) : host;
}

function portOf(hostAndPort: string): number | undefined {
  if (!isIp(hostAndPort)) return undefined;
  const colon = hostAndPort.lastIndexOf(':');
  return colon < 0 ? undefined : Number(hostAndPort.slice(colon + 1));
}
