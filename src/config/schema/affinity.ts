// The schema of what a request is sent to its host by: what is hashed, and sticky sessions. Primary thread; constants only.

import { DEFAULTS } from '../defaults.ts';
import { described, dictionary, flag, list, object, text } from './parts.ts';
import type { Schema } from './parts.ts';

/** Keys of which an entry of `hashOn` takes exactly one. */
export const HASH_SOURCES = ['header', 'cookie', 'sourceIp', 'query'] as const;
/** Keys of which `stickySession` takes exactly one. */
export const STICKY_CARRIERS = ['cookie', 'header'] as const;

/** Keys of `forward`. */
export function affinityKeys(): Readonly<Record<string, Schema>> {
  const one = `Exactly one of ${HASH_SOURCES.join(', ')}.`;
  const entry = object('hashOn', {
    header: text(`${one} The value of this header; several of one name count together.`, 'matchedHeader', { examples: ['x-user'] }),
    cookie: text(`${one} The value of this cookie.`, 'headerName', { examples: ['sid'] }),
    sourceIp: flag(`${one} true: the address of the client, as far as it is trusted.`),
    query: text(`${one} The value of this query parameter, as sent.`, 'name', { examples: ['id'] }),
    terminal: flag('Once this has given a hash, the entries after it are not looked at.', { default: DEFAULTS.hashOn.terminal }),
    ttl: text('cookie: a client that brings none gets one, for so long; "0s": until its browser is closed. Default: it gets none.', 'duration', { examples: ['1h'] }),
    path: text('cookie: the Path of the cookie that clients get. Default: none.', 'path'),
    attributes: dictionary('cookie: further attributes of the cookie that clients get.', 'headerName', text("The attribute's value; empty: the name alone.", 'headerValue')),
  });
  const oneCarrier = `Exactly one of ${STICKY_CARRIERS.join(', ')}.`;
  const sticky = object('stickySession', {
    cookie: text(`${oneCarrier} The cookie that names the endpoint.`, 'headerName', { examples: ['backend'] }),
    header: text(`${oneCarrier} The header that names the endpoint, in requests and answers.`, 'headerName', { examples: ['x-backend'] }),
    ttl: text('cookie: how long it holds; "0s": until the browser is closed.', 'duration', { default: DEFAULTS.stickySession.ttl }),
    path: text('cookie: its Path, outside of which it is not looked at. Default: none.', 'path'),
    strict: flag('Answer 503 when the endpoint that is named cannot be used, instead of choosing another one.', { default: DEFAULTS.stickySession.strict }),
  });
  return {
    hashOn: list('What the policies ringHash and maglev hash, combined in this order. Without it, or where a request has none of it, the endpoint is random.', entry, { default: DEFAULTS.forward.hashOn }),
    stickySession: described('The endpoint that has answered first answers all later requests of a client, as long as it can be used. Default: none.', sticky),
  };
}

