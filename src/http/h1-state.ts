// Where an unfinished head stands: the values of `Head.state`, shared by the files of the HTTP/1.1 parser.
// Worker thread; constants only.
//
//   request:  START ⇄ START_LF   → METHOD → TARGET → VERSION ─┐
//   response: VERSION → STATUS → AFTER_STATUS → REASON ───────┴→ LINE_LF → NAME → OWS → VALUE → VALUE_LF ─→ NAME
//   trailers: NAME …                                                        └──→ END_LF → DONE

export const START = 0;
export const START_LF = 1;
export const METHOD = 2;
export const TARGET_STATE = 3;
export const VERSION = 4;
export const STATUS = 5;
export const AFTER_STATUS = 6;
export const REASON = 7;
export const LINE_LF = 8;
export const NAME = 9;
export const OWS = 10;
export const VALUE_STATE = 11;
export const VALUE_LF = 12;
export const END_LF = 13;
export const DONE = 14;

/** Bounds on a head or a trailer section. */
export interface HeadLimits {
  readonly maxHeadBytes: number;
  readonly maxFields: number;
}

/** Envoy's: 60 KiB and 100 fields. */
export const DEFAULT_HEAD_LIMITS: HeadLimits = { maxHeadBytes: 60 * 1024, maxFields: 100 };
