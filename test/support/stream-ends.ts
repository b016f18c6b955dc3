// Both ends of a tunnel as tests see them, whatever carries it: an HTTP/2 stream or a socket. Test code only.

import { once } from 'node:events';
import type { Duplex } from 'node:stream';

import { within } from './deadline.ts';

/** The next `bytes` bytes as latin1 text. */
export async function exactly(stream: Duplex, bytes: number): Promise<string> {
  for (;;) {
    const found = stream.read(bytes) as Buffer | null;
    if (found !== null) return found.toString('latin1');
    if (stream.readableEnded || stream.destroyed) throw new Error(`ended before ${bytes} bytes`);
    await within(`${bytes} bytes`, once(stream, 'readable'));
  }
}

/** Everything up to the end. */
export async function whole(stream: Duplex): Promise<string> {
  const parts: Buffer[] = [];
  for await (const bytes of stream) parts.push(bytes as Buffer);
  return Buffer.concat(parts).toString('latin1');
}

/** Bytes from one end to the other. */
export async function passes(from: Duplex, to: Duplex, text: string): Promise<boolean> {
  from.write(text, 'latin1');
  return (await exactly(to, text.length)) === text;
}
