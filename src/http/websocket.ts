// An upgrade between HTTP/2 and HTTP/1.1, in both directions (RFC 8441 section 5), and the handshake of WebSocket that HTTP/2
// has no need for (RFC 6455 sections 1.3 and 4.2.2). Any thread; writes into the Head only.

import { createHash, randomBytes } from 'node:crypto';

import { FIELD_UPGRADE } from '../core/fields.ts';
import type { Head } from '../core/head.ts';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/**
 * Gives a request without an Upgrade field one, and a WebSocket handshake its key.
 * @returns the key, where the caller cannot check the answer to it himself; else ''
 */
export function askForUpgrade(head: Head, protocol: string): string {
  if (head.first[FIELD_UPGRADE]! >= 0) return '';
  head.set('upgrade', protocol);
  if (protocol !== 'websocket' || head.get('sec-websocket-key') !== undefined) return '';
  const key = randomBytes(16).toString('base64');
  head.add('sec-websocket-key', key);
  return key;
}

/** Makes the 2xx of an HTTP/2 host the head of the 101 that it stands for. `key`: what the caller wants to see proved; '' for nothing. */
export function becomeUpgrade(head: Head, protocol: string, key: string): void {
  head.set('upgrade', protocol);
  if (key !== '') head.set('sec-websocket-accept', acceptOf(key));
}

export function acceptOf(key: string): string {
  return createHash('sha1').update(key + GUID).digest('base64');
}
