// @hot
// A descriptor of a rate limit: which requests it means, and whose tokens they take. Worker thread. Where it does not say
// which value, every value (every user, every address) has a bucket of its own, in a table of fixed size in shared memory.

import type { DescriptorConfig, DescriptorEntryConfig } from '../../config/limit-snapshot.ts';
import type { Stream } from '../../core/stream.ts';
import { compileCidrs, type CidrSet } from '../../security/cidr.ts';
import { BucketTable } from '../../shared/bucket-table.ts';
import { TokenBucket } from '../../shared/token-bucket.ts';

export class Descriptor {
  private readonly entries: readonly Entry[];
  private readonly bucket: TokenBucket | null;
  private readonly table: BucketTable | null;

  constructor({ entries, bucket }: DescriptorConfig, words: Int32Array, at: number) {
    this.entries = entries.map((entry) => new Entry(entry));
    this.bucket = bucket.copies === 1 ? new TokenBucket(words, at, bucket) : null;
    this.table = bucket.copies === 1 ? null : new BucketTable(words, at, bucket);
  }

  /** null: it does not mean this request. */
  bucketOf(stream: Stream, now: number): TokenBucket | null {
    const { entries } = this;
    let values = '';
    for (let i = 0; i < entries.length; i++) {
      const value = entries[i]!.valueOf(stream);
      if (value === null) return null;
      values += `${value}\0`;
    }
    return this.table === null ? this.bucket : this.table.bucketOf(values, now);
  }
}

class Entry {
  private readonly kind: DescriptorEntryConfig['kind'];
  private readonly name: string;
  private readonly value: string | null;
  private readonly range: CidrSet | null;

  constructor({ kind, name, value }: DescriptorEntryConfig) {
    this.kind = kind;
    this.name = name;
    this.value = value;
    this.range = kind === 'remoteAddress' && value !== null ? compileCidrs([value]) : null;
  }

  /** What tells requests apart that it means, '' where nothing does; null: it does not mean this one. */
  valueOf(stream: Stream): string | null {
    const { value } = this;
    switch (this.kind) {
      case 'header': {
        const found = stream.reqHead.get(this.name);
        if (found === undefined) return null;
        return value === null ? found : value === found ? '' : null;
      }
      case 'remoteAddress':
        if (this.range === null) return stream.trustedAddress;
        return this.range.contains(stream.trustedAddress) ? '' : null;
      case 'path':
        return pathOf(stream) === value ? '' : null;
      case 'prefix':
        return stream.path.startsWith(value!) ? '' : null;
      default:
        return stream.method === value ? '' : null;
    }
  }
}

function pathOf({ path }: Stream): string {
  const end = path.indexOf('?');
  return end < 0 ? path : path.slice(0, end);
}
