// /listeners: names and addresses as bound, in Envoy's two forms. Primary thread; read only.

import type { Address } from '../../core/address.ts';
import { formatAddress } from '../../core/address.ts';
import type { Answer, Page } from './page.ts';
import { json, text } from './page.ts';
import type { AdminView } from './view.ts';

export function listenerPages(view: AdminView): Page[] {
  return [
    {
      path: '/listeners',
      mutates: false,
      help: 'print listener info',
      params: [['format', 'File format to use; One of (text, json)']],
      answer: (query) => listeners(view, query),
    },
  ];
}

function listeners(view: AdminView, query: URLSearchParams): Answer {
  const { published } = view;
  const bound = published?.snapshot.listeners.map(({ name, address }) => ({ name, address: published.addresses[name] ?? address, ...view.engineOf(name) })) ?? [];
  if (query.get('format') === 'json') {
    return json({ listener_statuses: bound.map(({ name, address, engine, why }) => ({ name, local_address: addressJson(address), ...(why === '' ? {} : { engine, engine_reason: why }) })) });
  }
  return text(bound.map(({ name, address }) => `${name}::${address.kind === 'unix' ? address.path : formatAddress(address)}\n`).join(''));
}

/** Envoy's `core.v3.Address`. */
export function addressJson(address: Address): object {
  if (address.kind === 'unix') return { pipe: { path: address.path } };
  return { socket_address: { address: address.host, port_value: address.port } };
}
