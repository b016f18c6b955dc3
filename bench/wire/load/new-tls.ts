// A process of its own: one window of requests over TLS, each on a connection of its own with a full handshake. The proxy
// is asked to close, so that the connection's end belongs to what is measured. wrk cannot do this: it resumes sessions.
//   node new-tls.js PORT PATH CONNECTIONS SECONDS

import { connect } from 'node:tls';
import { LoadWindow } from './window.ts';

const [port, path, connections, seconds] = process.argv.slice(2);
const request = `GET ${path} HTTP/1.1\r\nHost: bench.test\r\nConnection: close\r\n\r\n`;
const OK = 'HTTP/1.1 200 ';
const PATIENCE_MS = 10_000;

const window = new LoadWindow(Number(seconds));
let open = Number(connections);

function next(): void {
  if (window.isOpen) ask();
  else if (--open === 0) window.print();
}

function ask(): void {
  const sinceMs = performance.now();
  let answer = '';
  let failure = '';
  const socket = connect({ port: Number(port), host: '127.0.0.1', servername: 'bench.test', rejectUnauthorized: false });
  socket.setNoDelay(true);
  socket.setTimeout(PATIENCE_MS, () => {
    failure = 'timeout';
    socket.destroy();
  });
  socket.on('secureConnect', () => {
    if (socket.isSessionReused() || socket.getProtocol() !== 'TLSv1.3') failure = 'notFullTls13';
    socket.write(request);
  });
  socket.on('data', (chunk: Buffer) => (answer += chunk.latin1Slice()));
  socket.on('error', () => (failure = 'socket'));
  socket.on('close', () => {
    if (failure === '' && !answer.startsWith(OK)) failure = answer === '' ? 'unanswered' : 'status';
    if (failure === '') window.done(sinceMs);
    else window.failed(failure);
    next();
  });
}

for (let i = 0; i < Number(connections); i++) ask();
