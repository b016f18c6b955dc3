// What a peer may do to an HTTP/2 connection, as named limits, and the stats that say when it did more. Any thread;
// constants only. Each default is Envoy's where Envoy has one; the others say why.
// Order of the stats is slot order in `observe/stat-names.ts` (`HTTP2_STATS`); a test keeps the two together.

/** Limits and sizes of one connection, either role. */
export interface H2Limits {
  /** Streams of the peer's at a time; more are refused. Envoy's advice for an edge. */
  readonly maxConcurrentStreams: number;
  /** Bytes the peer may send ahead on one stream, and on all together. Envoy's advice for an edge. */
  readonly initialStreamWindowBytes: number;
  readonly initialConnectionWindowBytes: number;
  /** Fields of one section, and their bytes: names and values, uncompressed. */
  readonly maxFields: number;
  readonly maxHeadBytes: number;
  /** Compressed bytes of one header block, and the frames that carry it: a CONTINUATION flood is either. nghttp2 has 8 frames. */
  readonly maxHeaderBlockBytes: number;
  readonly maxContinuationFrames: number;
  /** Frames written and not yet taken by the socket: of all kinds, and PING, SETTINGS and RST_STREAM alone. */
  readonly maxOutboundFrames: number;
  readonly maxOutboundControlFrames: number;
  /** DATA, HEADERS and CONTINUATION without payload and without END_STREAM, one after another. */
  readonly maxConsecutiveEmptyFrames: number;
  /** PRIORITY: this x (1 + streams opened). */
  readonly maxPriorityFramesPerStream: number;
  /** WINDOW_UPDATE: 5 + 2 x (streams opened + this x DATA frames sent). */
  readonly maxWindowUpdatesPerDataFrame: number;
  /** Rapid reset: with this many streams ended, half of them cut short by the peer within a second. */
  readonly prematureResetStreams: number;
}

/** Streams that live longer than this were not opened to be reset (Envoy). */
export const PREMATURE_MS = 1000;
/**
 * An HPACK bomb: a block that unpacks to this many times what a head may have. Up to there the rest of a head that is too
 * large is read over, so that the stream alone fails and not the connection.
 */
export const BOMB_FACTOR = 16;

export const DEFAULT_H2_LIMITS: H2Limits = {
  maxConcurrentStreams: 100,
  initialStreamWindowBytes: 64 * 1024,
  initialConnectionWindowBytes: 1024 * 1024,
  maxFields: 100,
  maxHeadBytes: 60 * 1024,
  maxHeaderBlockBytes: 64 * 1024,
  maxContinuationFrames: 8,
  maxOutboundFrames: 10_000,
  maxOutboundControlFrames: 1000,
  maxConsecutiveEmptyFrames: 1,
  maxPriorityFramesPerStream: 100,
  maxWindowUpdatesPerDataFrame: 10,
  prematureResetStreams: 500,
};

// What a connection counts. Gauges count both ways.
export const H2_DROPPED_HEADERS_WITH_UNDERSCORES = 0;
export const H2_GOAWAY_SENT = 1;
export const H2_HEADER_OVERFLOW = 2;
export const H2_INBOUND_EMPTY_FRAMES_FLOOD = 3;
export const H2_INBOUND_PRIORITY_FRAMES_FLOOD = 4;
export const H2_INBOUND_WINDOW_UPDATE_FRAMES_FLOOD = 5;
export const H2_KEEPALIVE_TIMEOUT = 6;
export const H2_OUTBOUND_CONTROL_FLOOD = 7;
export const H2_OUTBOUND_FLOOD = 8;
export const H2_REQUESTS_REJECTED_WITH_UNDERSCORES = 9;
export const H2_RX_MESSAGING_ERROR = 10;
export const H2_RX_RESET = 11;
export const H2_STREAM_REFUSED_ERRORS = 12;
export const H2_TRAILERS = 13;
export const H2_TX_FLUSH_TIMEOUT = 14;
export const H2_TX_RESET = 15;
export const H2_STREAMS_ACTIVE = 16;
export const H2_PENDING_SEND_BYTES = 17;
export const H2_INBOUND_CONTINUATION_FLOOD = 18;
export const H2_HPACK_BOMB = 19;
