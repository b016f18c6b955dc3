// Session tickets of a `tls.Server` under several keys: the first makes them, all open them. Worker thread; no state.
// node's documented way takes one key at a time, and then a new one is the end of all older tickets. Below it there is a
// callback per ticket, as OpenSSL has it; where a Node does not have that any more, the documented way has to do.

import { randomBytes } from 'node:crypto';
import type { Server } from 'node:tls';

/** Name, key of HMAC-SHA256, key of AES-128: node's sizes, cut out of the 80 bytes that both engines share. */
const PART_BYTES = 16;
const HMAC_AT = 16;
const AES_AT = 48;

const UNKNOWN = 0;
const GOOD = 1;
/** Opened by an older key: the client gets a new one. */
const RENEW = 2;
const NOTHING = Buffer.alloc(PART_BYTES);

type Answer = readonly [verdict: number, hmac: Buffer, aes: Buffer, name?: Buffer, iv?: Buffer];

interface NodeContext {
  onticketkeycallback?: (name: Buffer, iv: Buffer, makes: boolean) => Answer;
  enableTicketKeyCallback?(): void;
}

/** `keys` are read anew for each ticket, and may change in place. */
export function useTicketKeys(server: Server, keys: readonly Buffer[]): void {
  const { _sharedCreds: shared } = server as Server & { readonly _sharedCreds?: { readonly context: NodeContext } };
  const context = shared?.context;
  if (typeof context?.enableTicketKeyCallback !== 'function') {
    followFirst(server, keys);
    return;
  }
  context.onticketkeycallback = (name, _iv, makes) => {
    const at = makes ? 0 : keys.findIndex((key) => key.compare(name, 0, PART_BYTES, 0, PART_BYTES) === 0);
    const key = keys[at];
    if (key === undefined) return [UNKNOWN, NOTHING, NOTHING, NOTHING, NOTHING];
    return [at === 0 ? GOOD : RENEW, part(key, HMAC_AT), part(key, AES_AT), part(key, 0), randomBytes(PART_BYTES)];
  };
  context.enableTicketKeyCallback();
}

function followFirst(server: Server, keys: readonly Buffer[]): void {
  let current: Buffer | undefined;
  server.prependListener('connection', () => {
    const [key] = keys;
    if (key !== undefined && key !== current) server.setTicketKeys(Buffer.concat([part(key, 0), part(key, HMAC_AT), part(key, AES_AT)]));
    current = key;
  });
}

function part(key: Buffer, at: number): Buffer {
  return key.subarray(at, at + PART_BYTES);
}
