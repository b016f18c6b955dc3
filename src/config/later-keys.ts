// Keys and values that the language has and this version does not carry yet. They are refused, so that what is accepted
// does what it says. Whoever makes one work adds it to the schema and deletes it here; a test keeps the two apart.
// Primary thread; constants only. Objects go by their `title` in the schema.

export const LATER_KEYS: Readonly<Record<string, readonly string[]>> = {
  http: ['tracing', 'localReplies'],
  filter: ['jwt', 'rateLimit', 'module', 'config'],
  forward: ['mirror'],
  connections: ['preconnect', 'pipelining'],
};

/** By `title.key`. */
export const LATER_VALUES: Readonly<Record<string, readonly string[]>> = {
};

export function isLaterKey(title: string, key: string): boolean {
  return Object.hasOwn(LATER_KEYS, title) && (LATER_KEYS[title] ?? []).includes(key);
}

export function isLaterValue(title: string, key: string, value: unknown): boolean {
  const place = `${title}.${key}`;
  return Object.hasOwn(LATER_VALUES, place) && (LATER_VALUES[place] ?? []).some((later) => later === value);
}
