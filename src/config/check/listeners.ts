// Checks of listeners: names, addresses, HTTP settings, access logs, virtual hosts. Primary thread; pure.

import { formatAddress } from '../../core/address.ts';
import { explainListenAddress, parseAddress } from '../address.ts';
import { DEFAULTS } from '../defaults.ts';
import { MAX_HEADERS_BYTES, MAX_WINDOW_BYTES, MIN_HEADERS_BYTES } from '../limits.ts';
import type { Place } from '../place.ts';
import { LISTENER_PROTOCOLS, ROUTE_SOURCES } from '../schema/listener.ts';
import { explainSize, parseSize } from '../units.ts';
import { checkAccessLog } from './access-log.ts';
import type { CheckScope } from './check.ts';
import { exactlyOne, Register } from './choices.ts';
import { checkFilters, checkRouteFilters } from './filters.ts';
import { checkPolicy } from './retry.ts';
import { checkRoutes } from './routes.ts';
import { checkNoTunnels } from './tunnels.ts';
import { checkHeaderEdits } from './headers.ts';
import { checkKeepAlive } from './keep-alive.ts';
import { checkTcp } from './tcp.ts';
import { checkServerTls } from './tls.ts';

export function checkListeners(root: Place, scope: CheckScope): void {
  const names = new Register('duplicate-name', scope.problems);
  const addresses = new Register('duplicate-address', scope.problems);
  const admin = root.at('admin');
  addAddress(addresses, admin.at('address').text() ?? (admin.exists ? '' : DEFAULTS.admin.address), '/admin');
  for (const listener of root.at('listeners').items()) {
    const address = listener.at('address');
    const name = listener.has('name') ? listener.at('name') : address;
    const text = name.text();
    addAddress(addresses, address.text() ?? '', address.pointer);
    // Two listeners on port 0 get different ports, but would share the name that their address gives them.
    if (text !== null) names.add(text, name.pointer, `the listener name ${JSON.stringify(text)}`);
    exactlyOne(listener, 'a listener', LISTENER_PROTOCOLS, scope.problems);
    checkServerTls(listener.at('tls'), scope);
    if (listener.has('http')) checkHttp(listener.at('http'), scope);
    checkTcp(listener.at('tcp'), scope);
    checkEngine(listener, root, scope);
  }
}

/** uWebSockets.js has its own parser, nothing below it, and no HTTP/2 (uWebSockets.js#178). */
function checkEngine(listener: Place, root: Place, scope: CheckScope): void {
  const engine = listener.has('engine') ? listener.at('engine') : root.at('engine');
  if (engine.value !== 'uws') return;
  checkNothingBelow(listener, scope);
  checkNoTunnels(listener.at('http'), scope);
  for (const protocol of listener.at('http').at('protocols').items()) {
    if (protocol.text() !== 'http2') continue;
    scope.problems.push({ code: 'conflict', pointer: protocol.pointer, message: 'the engine "uws" speaks HTTP/1.1 only: choose "epoll" or "node" for this listener' });
  }
}

function checkNothingBelow(listener: Place, { problems }: CheckScope): void {
  if (listener.has('tls')) {
    problems.push({ code: 'conflict', pointer: listener.at('tls').pointer, atKey: true, message: 'the engine "uws" speaks plaintext only: its build has a TLS of its own that can crash the process when a certificate is replaced; choose the engine "epoll" or "node"' });
  }
  const refused = listener.has('tcp') ? listener.at('tcp') : listener.at('proxyProtocol').value === true ? listener.at('proxyProtocol') : null;
  if (refused === null) return;
  problems.push({ code: 'conflict', pointer: refused.pointer, atKey: true, message: 'the engine "uws" speaks HTTP/1.1 only, without what comes before it: choose the engine "epoll" or "node"' });
}

function addAddress(addresses: Register, text: string, pointer: string): void {
  if (explainListenAddress(text) !== null || isOnFreePort(text)) return;
  addresses.add(formatAddress(parseAddress(text)), pointer, `the address ${JSON.stringify(text)}`);
}

function isOnFreePort(text: string): boolean {
  return /:0+$/.test(text) && !text.startsWith('unix:');
}

function checkHttp(http: Place, scope: CheckScope): void {
  const { problems } = scope;
  checkHeadersSize(http.at('maxRequestHeadersSize'), scope);
  checkKeepAlive(http.at('http2'), problems);
  checkWindow(http.at('http2').at('initialStreamWindow'), { least: 1024, words: '1KiB' }, scope);
  checkWindow(http.at('http2').at('initialConnectionWindow'), { least: 65_535, words: '64KiB' }, scope);
  if ((http.at('xffNumTrustedHops').number() ?? 0) > 0 && http.at('trustedCidrs').items().length > 0) {
    problems.push({ code: 'conflict', pointer: http.at('trustedCidrs').pointer, atKey: true, message: 'trusted proxies are either counted (xffNumTrustedHops) or known by address (trustedCidrs), not both' });
  }
  for (const log of http.at('accessLog').items()) checkAccessLog(log, scope);
  const filters = checkFilters(http.at('filters'), scope);
  exactlyOne(http, 'http', ROUTE_SOURCES, problems);
  checkRoutes(http.at('routes'), { filters, retry: http.at('retry') }, scope);
  checkVirtualHosts(http.at('virtualHosts'), filters, scope);
}

function checkHeadersSize(place: Place, { problems }: CheckScope): void {
  const { value } = place;
  if (typeof value !== 'number' && (typeof value !== 'string' || explainSize(value) !== null)) return;
  const bytes = parseSize(value);
  if (bytes < MIN_HEADERS_BYTES || bytes > MAX_HEADERS_BYTES) {
    problems.push({ code: 'out-of-range', pointer: place.pointer, message: 'must be from 1KiB to 8MiB' });
  }
}

/** RFC 9113 section 6.9: a connection's window begins with 65,535 bytes and cannot be made smaller. */
function checkWindow(place: Place, { least, words }: { least: number; words: string }, { problems }: CheckScope): void {
  const { value } = place;
  if (typeof value !== 'number' && (typeof value !== 'string' || explainSize(value) !== null)) return;
  const bytes = parseSize(value);
  if (bytes < least || bytes > MAX_WINDOW_BYTES) {
    problems.push({ code: 'out-of-range', pointer: place.pointer, message: `must be from ${words} to 1GiB` });
  }
}

function checkVirtualHosts(virtualHosts: Place, filters: ReadonlySet<string>, scope: CheckScope): void {
  const names = new Register('duplicate-name', scope.problems);
  const domains = new Register('duplicate-domain', scope.problems);
  for (const host of virtualHosts.items()) {
    const first = host.at('domains').at(0);
    const name = host.has('name') ? host.at('name') : first;
    // Two nameless hosts with the same first domain are reported for the domain.
    if (name.text() !== null && name !== first) names.add(name.text() ?? '', name.pointer, `the virtual host name ${JSON.stringify(name.text())}`);
    for (const domain of host.at('domains').items()) {
      const text = domain.text();
      if (text !== null) domains.add(text.toLowerCase(), domain.pointer, `the domain ${JSON.stringify(text)}`);
    }
    checkHeaderEdits(host.at('requestHeaders'), scope);
    checkHeaderEdits(host.at('responseHeaders'), scope);
    checkPolicy(host.at('retry'), scope.problems);
    checkRoutes(host.at('routes'), { filters: checkRouteFilters(host.at('filters'), filters, scope), retry: host.at('retry') }, scope);
  }
}
