// A process of its own: one window of WebSocket messages, one at a time on each connection. All connections are open
// before the window begins.
//   node echo.js PORT MESSAGE_BYTES CONNECTIONS SECONDS

import { openEcho } from '../websocket.ts';
import type { EchoClient } from '../websocket.ts';
import { LoadWindow } from './window.ts';

const [port = 0, bytes = 0, connections = 0, seconds = 0] = process.argv.slice(2).map(Number);
const payload = Buffer.alloc(bytes, 'w');
let window: LoadWindow | null = null;
let open = connections;

/** One connection's messages. */
class Talker {
  private client: EchoClient | null = null;
  private sinceMs = 0;

  async open(): Promise<void> {
    this.client = await openEcho(port, payload, {
      onEcho: () => this.next(),
      onEnd: () => this.end(false),
    });
  }

  send(): void {
    this.sinceMs = performance.now();
    this.client?.send();
  }

  private next(): void {
    window?.done(this.sinceMs);
    if (window?.isOpen === true) this.send();
    else this.end(true);
  }

  private end(well: boolean): void {
    if (!well) window?.failed('socket');
    this.client?.close();
    if (--open === 0) window?.print();
  }
}

const talkers = Array.from({ length: connections }, () => new Talker());
await Promise.all(talkers.map((talker) => talker.open()));
window = new LoadWindow(seconds);
for (const talker of talkers) talker.send();
