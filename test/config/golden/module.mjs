// A module may compute what it exports, and share parts of it.
const endpoints = ['127.0.0.1:3000'];

export default {
  listeners: [8080, 8081].map((port) => ({
    address: `127.0.0.1:${port}`,
    name: undefined,
    http: { routes: [{ match: { prefix: '/' }, forward: { cluster: 'app' } }] },
  })),
  clusters: ['app', 'spare'].map((name) => ({ name, endpoints })),
};
