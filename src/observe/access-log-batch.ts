// @hot
// Collects the access-log lines of one worker and sends them to the primary in batches, one per file: the road pays for
// a copy of bytes, not for a message or a write. Worker thread; owned by worker.ts, which calls `tick`.

const BATCH_BYTES = 64 * 1024;
const FLUSH_MS = 1000;
const IDLE_MS = 30_000;
/** Below this a batch is copied into a buffer of its size; above, the whole buffer is handed over and a new one made. */
const COPY_BYTES = 16 * 1024;

/** The receiver owns the bytes and their buffer (it may transfer them). */
export type SendBatch = (path: string, bytes: Uint8Array) => void;

/** The lines of one file. */
class FileBatch {
  readonly path: string;
  buf: Buffer = Buffer.allocUnsafeSlow(BATCH_BYTES);
  used = 0;
  /** When the oldest line in it came; monotonic ms. */
  since = 0;

  constructor(path: string) {
    this.path = path;
  }
}

export class AccessLogBatch {
  private readonly send: SendBatch;
  private readonly files = new Map<string, FileBatch>();

  constructor(send: SendBatch) {
    this.send = send;
  }

  /** `line`: each character is one byte. It is in the file within about a second. */
  add(path: string, line: string, now: number): void {
    let file = this.files.get(path);
    if (file === undefined) {
      file = new FileBatch(path);
      this.files.set(path, file);
    }
    const length = line.length;
    if (file.used + length > BATCH_BYTES) this.flushFile(file);
    if (length > BATCH_BYTES) {
      this.send(path, Buffer.from(line, 'latin1'));
      return;
    }
    if (file.used === 0) file.since = now;
    file.buf.latin1Write(line, file.used, length);
    file.used += length;
  }

  /** No file has had a line lately. */
  get isEmpty(): boolean {
    return this.files.size === 0;
  }

  /** Called every now and then with the loop's time. Files that have long had no line lose their buffer. */
  tick(now: number): void {
    for (const file of this.files.values()) {
      if (now - file.since < FLUSH_MS) continue;
      if (file.used > 0) this.flushFile(file);
      else if (now - file.since >= IDLE_MS) this.files.delete(file.path);
    }
  }

  /** Everything that is here, now: before a worker ends, and when files are reopened. */
  flush(): void {
    for (const file of this.files.values()) this.flushFile(file);
  }

  private flushFile(file: FileBatch): void {
    const { buf, used } = file;
    if (used === 0) return;
    file.used = 0;
    if (used <= COPY_BYTES) {
      const copy = Buffer.allocUnsafeSlow(used);
      copy.set(buf.subarray(0, used));
      this.send(file.path, copy);
    } else {
      file.buf = Buffer.allocUnsafeSlow(BATCH_BYTES);
      this.send(file.path, buf.subarray(0, used));
    }
  }
}
