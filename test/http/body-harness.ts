// Feeds a body to the reader in pieces of any sizes and puts the outcome into one comparable record.

import { BodyReader } from '../../src/http/h1-body.ts';
import { describeError } from '../../src/http/h1-errors.ts';
import { DEFAULT_HEAD_LIMITS } from '../../src/http/h1-state.ts';
import type { HeadLimits } from '../../src/http/h1-state.ts';
import type { BodyKind } from '../../src/core/stream.ts';

export interface BodyOutcome {
  /** `done`, `more`, or an error's name. */
  readonly answer: string;
  readonly payload: string;
  readonly trailers: readonly string[];
  readonly dropped: readonly string[];
  /** Bytes of the input taken up to the end of the body; where it did not end, -1. */
  readonly used: number;
  /** How many bytes had been offered when the answer came. */
  readonly offered: number;
}

export function readBody(kind: BodyKind, length: number, bytes: Buffer, cuts: readonly number[], limits: HeadLimits = DEFAULT_HEAD_LIMITS): BodyOutcome {
  const reader = new BodyReader();
  reader.begin(kind, length, limits);
  let payload = '';
  let from = 0;
  let answer = '';
  let used = -1;
  let offered = 0;
  for (const to of [...cuts, bytes.length]) {
    // Each piece in a buffer of its own, with digits around it that would change the outcome if they were looked at.
    const shift = (to % 5) + 1;
    const buf = Buffer.alloc(to - from + shift + 3, '7');
    bytes.copy(buf, shift, from, to);
    const end = shift + to - from;
    let pos = shift;
    while (pos < end && !reader.done && answer === '') {
      const next = reader.read(buf, pos, end);
      if (next < 0) {
        answer = describeError(next).name;
        if (reader.read(buf, pos, end) !== next) throw new Error('the second answer differs');
        break;
      }
      if (next < pos || next > end) throw new Error(`position ${next} outside [${pos}, ${end}]`);
      if (reader.dataStart < pos || reader.dataEnd > next || reader.dataEnd < reader.dataStart) throw new Error('slice outside what was read');
      payload += buf.latin1Slice(reader.dataStart, reader.dataEnd);
      pos = next;
    }
    offered = to;
    if (answer !== '') break;
    if (reader.done) {
      used = from + pos - shift;
      break;
    }
    from = to;
  }
  const head = reader.trailers;
  const names = head === null ? [] : Array.from({ length: head.count }, (_, i) => i);
  return {
    answer: answer !== '' ? answer : reader.done ? 'done' : 'more',
    payload,
    trailers: names.map((i) => `${head!.name(i)}: ${head!.value(i)}`),
    dropped: names.filter((i) => head!.dropped[i] === 1).map((i) => head!.name(i)),
    used,
    offered,
  };
}

/** The first way of splitting whose outcome differs from the whole's, described; '' when there is none. */
export function findBodySplitFault(kind: BodyKind, length: number, bytes: Buffer, limits: HeadLimits = DEFAULT_HEAD_LIMITS): string {
  const show = (outcome: BodyOutcome): string => JSON.stringify({ ...outcome, offered: 0 });
  const whole = show(readBody(kind, length, bytes, [], limits));
  const everyByte = Array.from({ length: bytes.length }, (_, i) => i + 1);
  const drip = show(readBody(kind, length, bytes, everyByte, limits));
  if (drip !== whole) return `byte by byte: ${drip} instead of ${whole}`;
  const stride = Math.max(1, bytes.length >> 10); // every byte of all but the longest
  for (let cut = 0; cut <= bytes.length; cut += stride) {
    const split = show(readBody(kind, length, bytes, [cut], limits));
    if (split !== whole) return `split at ${cut}: ${split} instead of ${whole}`;
  }
  return '';
}
