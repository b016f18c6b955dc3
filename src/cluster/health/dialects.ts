// What is asked over HTTP/2, and what the answers mean. Primary thread; the Dialects are without state.

import type { GrpcProbeConfig, HttpProbeConfig } from '../../config/cluster-snapshot.ts';
import { Head } from '../../core/head.ts';
import { grpcStatusIn, isGrpc } from '../../http/grpc.ts';
import type { RequestLine } from '../../http/h2-head-writer.ts';
import { CHECK_PATH, checkRequest, SERVING, servingStatus } from './grpc-message.ts';
import type { Answer, Dialect } from './http2-talk.ts';
import { judgeHead } from './http-judge.ts';
import { HEALTHY, NO_ANSWER, SICK, type Verdict } from './verdict.ts';

const EMPTY = Buffer.alloc(0);
/** An answer of grpc.health.v1 has seven bytes. */
const MAX_MESSAGE_BYTES = 4096;

/** `fields`: name, value, … in latin1. */
export function httpDialect(probe: HttpProbeConfig, fields: readonly string[], scheme: 'http' | 'https'): Dialect {
  const line: RequestLine = { method: probe.method, scheme, authority: probe.authority, path: probe.path, protocol: '' };
  return { line, fields: headOf(fields), body: EMPTY, makeAnswer: () => new HttpAnswer(probe) };
}

export function grpcDialect(probe: GrpcProbeConfig, fields: readonly string[], scheme: 'http' | 'https'): Dialect {
  const line: RequestLine = { method: 'POST', scheme, authority: probe.authority, path: CHECK_PATH, protocol: '' };
  return { line, fields: headOf(fields), body: checkRequest(probe.service), makeAnswer: () => new GrpcAnswer() };
}

function headOf(fields: readonly string[]): Head {
  const head = new Head();
  for (let i = 0; i < fields.length; i += 2) head.add(fields[i]!, fields[i + 1]!);
  return head;
}

/** The head decides; the body is waited for. */
class HttpAnswer implements Answer {
  private readonly probe: HttpProbeConfig;
  private verdict: Verdict = NO_ANSWER;

  constructor(probe: HttpProbeConfig) {
    this.probe = probe;
  }

  head(head: Head): null {
    this.verdict = judgeHead(this.probe, head);
    return null;
  }

  data(): null {
    return null;
  }

  end(): Verdict {
    return this.verdict;
  }
}

/** As Envoy: whatever is not a whole answer that says SERVING is a host that is not well. */
class GrpcAnswer implements Answer {
  private body: Buffer = EMPTY;
  private status = 0;

  head(head: Head, last: boolean): Verdict | null {
    this.status = head.status;
    // Where the head is all there is, it holds no message, whatever its grpc-status says.
    return last || head.status !== 200 || !isGrpc(head) ? this.sick() : null;
  }

  data(buf: Buffer, start: number, end: number): Verdict | null {
    if (this.body.length + end - start > MAX_MESSAGE_BYTES) return this.sick();
    this.body = Buffer.concat([this.body, buf.subarray(start, end)]);
    return null;
  }

  end(trailers: Head | null): Verdict {
    return grpcStatusIn(trailers) === 0 && servingStatus(this.body) === SERVING ? HEALTHY : this.sick();
  }

  private sick(): Verdict {
    return { ...SICK, status: this.status };
  }
}
