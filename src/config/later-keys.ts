// Keys that the language has and this version does not carry yet. They are refused, so that what is accepted
// does what it says. Whoever makes one work adds it to the schema and deletes it here; a test keeps the two apart.
// Primary thread; constants only. Objects go by their `title` in the schema.

export const LATER_KEYS: Readonly<Record<string, readonly string[]>> = {
  http: ['tracing', 'localReplies'],
  filter: ['jwt', 'rateLimit', 'module', 'config'],
  routeFilters: ['jwt', 'rateLimit', 'module'],
  forward: ['mirror'],
  connections: ['preconnect', 'pipelining'],
};

export function isLaterKey(title: string, key: string): boolean {
  return Object.hasOwn(LATER_KEYS, title) && (LATER_KEYS[title] ?? []).includes(key);
}
