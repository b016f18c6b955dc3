// The connections of one listener, newest first. Worker thread; owned by its listener. Linked through the connections
// themselves, so that coming and going costs no search.

import type { DownConn } from './down-conn.ts';

export class ConnList {
  length = 0;
  private first: DownConn | null = null;

  add(down: DownConn): void {
    down.next = this.first;
    if (this.first !== null) this.first.prev = down;
    this.first = down;
    this.length++;
  }

  remove(down: DownConn): void {
    if (down.prev === null) this.first = down.next;
    else down.prev.next = down.next;
    if (down.next !== null) down.next.prev = down.prev;
    down.prev = null;
    down.next = null;
    this.length--;
  }

  drainAll(): void {
    for (let down = this.first; down !== null; ) {
      const next = down.next;
      down.drain();
      down = next;
    }
  }

  killAll(): void {
    for (let down = this.first; down !== null; down = down.next) down.kill();
  }
}
