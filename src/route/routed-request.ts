// What routing reads of a stream, and the one thing it leaves there (`routeDraw`). A Stream is one; so is the question that
// `explain` puts together. Types only.

import type { Stream } from '../core/stream.ts';

export type RoutedRequest = Pick<Stream, 'method' | 'path' | 'authority' | 'scheme' | 'reqHead' | 'routeDraw' | 'tls'>;
