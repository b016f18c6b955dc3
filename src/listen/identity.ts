// Who asks: x-forwarded-for, x-forwarded-proto, x-request-id and the x-envoy-* fields, as Envoy treats them.
// Worker thread. Compiled once per listener configuration; `apply` edits the request's head before it goes on its way.
// Source: Envoy's "HTTP header manipulation" and "x-forwarded-for" pages; FACTS section 6 has the test vectors.

import type { HttpConfig } from '../config/snapshot.ts';
import { FieldBlock } from '../core/field-block.ts';
import * as F from '../core/fields.ts';
import { REQUEST_ID_AT } from '../core/head.ts';
import type { Random } from '../core/random.ts';
import type { Stream } from '../core/stream.ts';
import { writeRequestId } from '../observe/request-id.ts';
import { compileCidrs, isAddress, type CidrSet } from '../security/cidr.ts';

/** The lines of so many callers are remembered. */
const MAX_KNOWN_CALLERS = 4096;
/** Dropped from external requests at the edge only; the ids behind them are dropped at every hop. */
const EDGE_ONLY_LAST = F.FIELD_FIRST_EXTERNAL_ONLY + 2;

export class Identity {
  private readonly edge: boolean;
  private readonly hops: number;
  private readonly trusted: CidrSet | null;
  private readonly internal: CidrSet | null;
  private readonly generateId: boolean;
  private readonly preserveId: boolean;
  private readonly random: Random;
  private readonly plainEdge: boolean;
  /** The lines of callers seen in plaintext, and over TLS. */
  private readonly callers = new Map<string, FieldBlock>();
  private readonly secureCallers = new Map<string, FieldBlock>();

  constructor(config: HttpConfig, random: Random) {
    this.edge = config.useRemoteAddress;
    this.hops = config.xffNumTrustedHops;
    this.trusted = config.trustedCidrs.length > 0 ? compileCidrs(config.trustedCidrs) : null;
    this.internal = config.internalCidrs.length > 0 ? compileCidrs(config.internalCidrs) : null;
    this.generateId = config.requestId.generate;
    this.preserveId = config.requestId.preserveExternal;
    this.random = random;
    this.plainEdge = this.edge && this.hops === 0 && this.trusted === null && this.internal === null;
  }

  apply(stream: Stream): void {
    const head = stream.reqHead;
    const received = head.first[F.FIELD_X_FORWARDED_FOR]! < 0 ? '' : (head.get('x-forwarded-for') ?? '');
    const peer = stream.remoteAddress;
    if (this.plainEdge && received === '' && peer !== '') {
      this.applyPlain(stream, peer);
      return;
    }
    if (this.trusted !== null) this.applyTrusted(stream, received);
    else if (this.edge) stream.trustedAddress = (this.hops > 0 ? fromRight(received, this.hops - 1) : '') || peer;
    else stream.trustedAddress = fromRight(received, this.hops) || peer;

    stream.isInternal = this.internal !== null && this.isInternal(stream, received);
    if (this.edge && peer !== '') append(stream, received, peer);
    this.applyProto(stream);
    if (stream.isInternal) this.cleanInternal(stream);
    else this.clean(stream);
    if (this.edge && !stream.isInternal) {
      head.dropId(F.FIELD_X_ENVOY_EXTERNAL_ADDRESS);
      if (stream.trustedAddress !== '') head.add('x-envoy-external-address', stream.trustedAddress);
    }
    this.applyRequestId(stream);
  }

  /** At an edge that trusts nobody, nothing but the peer's address is of any weight: its lines are made once. */
  private applyPlain(stream: Stream, peer: string): void {
    const head = stream.reqHead;
    const known = stream.scheme === 'https' ? this.secureCallers : this.callers;
    let block = known.get(peer);
    if (block === undefined) {
      block = new FieldBlock(['x-forwarded-for', peer, 'x-forwarded-proto', stream.scheme, 'x-envoy-external-address', peer]);
      if (known.size === MAX_KNOWN_CALLERS) known.clear();
      known.set(peer, block);
    }
    stream.trustedAddress = peer;
    head.dropId(F.FIELD_X_FORWARDED_PROTO);
    this.clean(stream);
    head.dropId(F.FIELD_X_ENVOY_EXTERNAL_ADDRESS);
    head.addBlock(block);
    this.applyRequestId(stream);
  }

  /** The rightmost address that is not one of our own proxies; the peer itself must be one for the field to count. */
  private applyTrusted(stream: Stream, received: string): void {
    const trusted = this.trusted!;
    const peer = stream.remoteAddress;
    stream.trustedAddress = peer;
    if (!trusted.contains(peer)) {
      if (!this.edge) append(stream, received, peer);
      return;
    }
    const list = received === '' ? [] : received.split(',');
    for (let i = list.length - 1; i >= 0; i--) {
      const address = list[i]!.trim();
      if (isAddress(address)) stream.trustedAddress = address;
      if (!trusted.contains(address)) break;
    }
    if (!this.edge) append(stream, received, peer);
  }

  private applyProto(stream: Stream): void {
    const head = stream.reqHead;
    const present = head.first[F.FIELD_X_FORWARDED_PROTO]! >= 0;
    if (present && !(this.edge && this.hops === 0)) return;
    if (present) head.dropId(F.FIELD_X_FORWARDED_PROTO);
    head.add('x-forwarded-proto', stream.scheme);
  }

  /** As Envoy: its address is listed, and no proxy of somebody else has passed the request on. */
  private isInternal(stream: Stream, received: string): boolean {
    const single = this.edge ? received === '' : received !== '' && !received.includes(',');
    return single && stream.trustedAddress !== '' && this.internal!.contains(stream.trustedAddress);
  }

  /** What an internal caller says of itself is believed, and passed on or heeded; only a certificate must still be shown. */
  private cleanInternal(stream: Stream): void {
    const head = stream.reqHead;
    head.dropId(F.FIELD_X_ENVOY_INTERNAL);
    head.dropId(F.FIELD_X_FORWARDED_CLIENT_CERT);
    head.add('x-envoy-internal', 'true');
  }

  /** No caller is internal (Envoy from 1.33 on) unless addresses are listed: these fields of all others are never believed. */
  private clean(stream: Stream): void {
    const head = stream.reqHead;
    for (let i = 0; i < head.count; i++) {
      const id = head.ids[i]!;
      if (id === F.FIELD_X_ENVOY_INTERNAL || id === F.FIELD_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS) head.dropped[i] = 1;
      else if (id === F.FIELD_X_FORWARDED_CLIENT_CERT || id === F.FIELD_X_ENVOY_ORIGINAL_PATH) head.dropped[i] = 1;
      else if (id >= F.FIELD_FIRST_EXTERNAL_ONLY && (this.edge || id > EDGE_ONLY_LAST)) head.dropped[i] = 1;
    }
  }

  private applyRequestId(stream: Stream): void {
    if (!this.generateId) return;
    const head = stream.reqHead;
    if (head.first[F.FIELD_X_REQUEST_ID]! >= 0) {
      if (!this.edge || this.preserveId || stream.isInternal) return;
      head.dropId(F.FIELD_X_REQUEST_ID);
    }
    writeRequestId(this.random, head.addRequestId(), REQUEST_ID_AT);
  }
}

function append(stream: Stream, received: string, peer: string): void {
  const head = stream.reqHead;
  if (received !== '') head.dropId(F.FIELD_X_FORWARDED_FOR);
  head.add('x-forwarded-for', received === '' ? peer : `${received},${peer}`);
}

/** The address that many places from the right end of a list; '' when the list is shorter, or holds something else there. */
function fromRight(list: string, skip: number): string {
  let end = list.length;
  for (let left = skip; left > 0; left--) {
    end = list.lastIndexOf(',', end - 1);
    if (end < 0) return '';
  }
  const text = list.slice(list.lastIndexOf(',', end - 1) + 1, end).trim();
  return isAddress(text) ? text : '';
}
