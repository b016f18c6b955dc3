// The client's side of the WebSocket case, as plain bytes over a socket: the generator sends with it and the probe asks.
// Frames of RFC 6455 section 5.2 with the masking key zero, so that masking costs the load's CPU nothing.

import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import type { Socket } from 'node:net';

const HEAD_END = '\r\n\r\n';
const FIN_BINARY = 0x82;
const MASKED = 0x80;

/** A frame's bytes before the payload: 2, or 4 from 126 bytes on, and a masking key of 4 on the way up. */
export function frame(payload: Buffer, masked: boolean): Buffer {
  const { length } = payload;
  if (length > 0xffff) throw new Error('messages of up to 65,535 bytes');
  const mask = masked ? MASKED : 0;
  const head = length < 126 ? [FIN_BINARY, mask | length] : [FIN_BINARY, mask | 126, length >> 8, length & 255];
  return Buffer.concat([Buffer.from(head), Buffer.alloc(masked ? 4 : 0), payload]);
}

export interface EchoClient {
  /** Sends the one message; `onEcho` tells that all of it came back. */
  send(): void;
  close(): void;
}

export interface EchoEvents {
  onEcho(frame: Buffer): void;
  /** Once, whatever ends it before `close`. */
  onEnd(why: string): void;
}

function handshake(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write('GET /echo HTTP/1.1\r\nHost: bench.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n'
      + `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`);
    let head = '';
    const onData = (chunk: Buffer): void => {
      head += chunk.latin1Slice();
      if (!head.includes(HEAD_END)) return;
      socket.off('data', onData);
      if (head.startsWith('HTTP/1.1 101 ')) resolve();
      else reject(new Error(`the upgrade is answered ${head.split('\r\n', 1)[0]}`));
    };
    socket.on('data', onData);
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('the connection was closed')));
  });
}

/** A connection after its upgrade, for messages of one payload. */
export async function openEcho(port: number, payload: Buffer, events: EchoEvents): Promise<EchoClient> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await handshake(socket);
  const message = frame(payload, true);
  const answer = Buffer.alloc(frame(payload, false).length);
  let received = 0;
  let isOver = false;
  const end = (why: string): void => {
    if (!isOver) events.onEnd(why);
    isOver = true;
    socket.destroy();
  };
  socket.on('data', (chunk: Buffer) => {
    if (received + chunk.length > answer.length) {
      end('more came back than was sent');
      return;
    }
    received += chunk.copy(answer, received);
    if (received < answer.length) return;
    received = 0;
    events.onEcho(answer);
  });
  socket.on('error', (error) => end(error.message));
  socket.on('close', () => end('closed'));
  return {
    send: () => void socket.write(message),
    close() {
      isOver = true;
      socket.destroy();
    },
  };
}
