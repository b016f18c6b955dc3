// A house with one HTTP/2 listener, and a caller who speaks frames. Test code only.
// `/ok` is answered at once, everything else goes to the cluster, whose one host is played by hand.

import type { HttpConfig, RouteConfig } from '../../src/config/snapshot.ts';
import { HTTP2_AT } from '../../src/observe/stat-names.ts';
import { forward, matching, route } from '../route/request.ts';
import type { FakeConn } from './fake-conn.ts';
import { FakeHouse, type FakeDoor } from './fake-house.ts';
import { FrameLog, hello, settingsAck, story, T, type Frame } from './h2-bytes.ts';

const respond = (status: number, body: string): RouteConfig['action'] => ({ kind: 'respond', status, headers: [], body });
const ROUTES = [
  route('ok', matching({ kind: 'path', value: '/ok' }), respond(200, 'fine')),
  route('none', matching({ kind: 'path', value: '/none' }), respond(204, '')),
  route('app', matching({ kind: 'prefix', value: '/' }), forward()),
];

export class H2Stage {
  readonly house: FakeHouse = new FakeHouse();
  readonly door: FakeDoor;
  readonly conn: FakeConn;
  readonly log: FrameLog = new FrameLog();

  constructor(changes: Partial<HttpConfig> = {}) {
    this.house.addCluster();
    this.door = this.house.addListener(ROUTES, { protocols: ['http2'], ...changes });
    this.conn = this.door.connect();
  }

  /** With the preface and the settings behind it, and what they brought read. */
  static open(changes: Partial<HttpConfig> = {}, ...settings: readonly (readonly [number, number])[]): H2Stage {
    const stage = new H2Stage(changes);
    stage.send(hello(...settings), settingsAck());
    stage.take();
    return stage;
  }

  /** In one read. */
  send(...frames: readonly Buffer[]): void {
    this.conn.receive(Buffer.concat(frames));
  }

  /** The frames since the last call. */
  take(): Frame[] {
    return this.log.add(this.conn.takeSent());
  }

  /** What they say, without SETTINGS and windows. */
  told(): string {
    return story(this.take());
  }

  /** The upstream connection, up. */
  up(): FakeConn {
    const conn = this.house.lastConnect;
    if (conn.state === 'connecting') conn.connectOk();
    return conn;
  }

  stat(slot: number): number {
    return this.door.stat(slot);
  }

  /** A stat of `http/h2-limits.ts`. */
  h2Stat(stat: number): number {
    return this.door.stat(HTTP2_AT + stat);
  }
}

/** The payload of the DATA frames of a stream. */
export function bodyOf(frames: readonly Frame[], id: number): Buffer {
  return Buffer.concat(frames.filter((one) => one.type === T.DATA && one.id === id).map((one) => one.payload));
}
