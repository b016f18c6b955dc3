// How the hosts of one cluster are asked: everything about a check that does not depend on the host, made once.
// Primary thread; immutable.

import type { ClusterConfig, HealthCheckConfig, HttpProbeConfig } from '../../config/cluster-snapshot.ts';
import { writeGrpcTimeout } from '../../http/grpc.ts';
import { compileClientTls } from '../../security/compile.ts';
import type { ClientTls } from '../../security/tls-settings.ts';
import { grpcDialect, httpDialect } from './dialects.ts';
import { Http1Talk } from './http1-talk.ts';
import { type Dialect, Http2Talk } from './http2-talk.ts';
import type { Talk, TalkOwner } from './talk.ts';
import { TcpTalk } from './tcp-talk.ts';

const USER_AGENT = 'Nuncio/HC';
const ALPN = { http1: ['http/1.1'], http2: ['h2'], auto: ['h2', 'http/1.1'] } as const;
/** Methods whose requests usually have a body: without a length some servers refuse them. */
const WITH_LENGTH: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);

export interface Recipe {
  readonly config: HealthCheckConfig;
  /** null: plaintext. */
  readonly tls: ClientTls | null;
  /** What TLS asks for instead of what its settings say; ''. */
  readonly serverName: string;
  /** @param alpn what TLS agreed on; null without TLS. @returns null when the host does not speak what it should */
  talk(owner: TalkOwner, alpn: string | null): Talk | null;
}

export function makeRecipe(cluster: ClusterConfig, config: HealthCheckConfig, clock: { readonly now: number }): Recipe {
  const { probe } = config;
  const opaque = probe.kind === 'tcp';
  const tls = cluster.tls === null ? null : compileClientTls(cluster.tls, opaque ? [] : ALPN[cluster.protocol]);
  const base = { config, tls, serverName: opaque || tls === null || tls.serverName !== '' ? '' : hostOnly(probe.host) };
  if (probe.kind === 'tcp') {
    const send = Buffer.from(probe.sendHex, 'hex');
    const expect = probe.expectHex.map((hex) => Buffer.from(hex, 'hex'));
    return { ...base, talk: (owner) => new TcpTalk(owner, send, expect) };
  }
  const scheme = tls === null ? 'http' : 'https';
  if (probe.kind === 'grpc') {
    const fields = ['content-type', 'application/grpc', 'te', 'trailers', 'user-agent', USER_AGENT, 'grpc-timeout', writeGrpcTimeout(config.timeoutMs)];
    const dialect = grpcDialect(probe, fields, scheme);
    return { ...base, talk: (owner, alpn) => talkHttp2(owner, dialect, alpn, clock) };
  }
  const fields = httpFields(probe);
  const dialect = httpDialect(probe, fields, scheme);
  const request = requestBytes(probe, fields);
  const talk = (owner: TalkOwner, alpn: string | null): Talk | null => {
    if (cluster.protocol === 'http2' || alpn === 'h2') return talkHttp2(owner, dialect, alpn, clock);
    return new Http1Talk(owner, probe, request);
  };
  return { ...base, talk };
}

function talkHttp2(owner: TalkOwner, dialect: Dialect, alpn: string | null, clock: { readonly now: number }): Talk | null {
  return alpn === null || alpn === 'h2' ? new Http2Talk(owner, dialect, clock) : null;
}

/** Without host: name, value, … in latin1. */
function httpFields({ headers, method }: HttpProbeConfig): string[] {
  const fields = headers.flatMap(([name, value]) => [name, Buffer.from(value, 'utf8').toString('latin1')]);
  if (!headers.some(([name]) => name.toLowerCase() === 'user-agent')) fields.unshift('user-agent', USER_AGENT);
  if (WITH_LENGTH.has(method)) fields.push('content-length', '0');
  return fields;
}

function requestBytes({ method, path, authority }: HttpProbeConfig, fields: readonly string[]): Buffer {
  let text = `${method} ${path} HTTP/1.1\r\nhost: ${authority}\r\n`;
  for (let i = 0; i < fields.length; i += 2) text += `${fields[i]!}: ${fields[i + 1]!}\r\n`;
  return Buffer.from(`${text}\r\n`, 'latin1');
}

/** Of `host:port` or `[v6]:port`. */
function hostOnly(authority: string): string {
  return authority.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
}
