// @hot
// One route, ready for the road: everything its match and its action need, as flat fields of one shape, whatever its kind.
// Made by compile.ts, read-only afterwards but for `clusterRefs` and `filters`, which `proxy` fills when it takes a snapshot in.

import type { FieldBlock } from '../core/field-block.ts';
import type { EditLevel } from './header-edits.ts';
import type { PathTemplate } from './path/template.ts';
import type { HashRule } from './request-hash.ts';
import type { RetryPolicy } from './retry-policy.ts';
import type { LinearRegex } from './rule/linear-regex.ts';
import type { ValueRule } from './rule/value-rule.ts';
import type { StickyRule } from './sticky-session.ts';

export const ROUTE_FORWARD = 0;
export const ROUTE_REDIRECT = 1;
export const ROUTE_RESPOND = 2;

export const PATH_EXACT = 0;
export const PATH_PREFIX = 1;
export const PATH_SEPARATED = 2;
export const PATH_REGEX = 3;
export const PATH_TEMPLATE = 4;
export const PATH_ANY = 5;
/** CONNECT, which has none. */
export const PATH_CONNECT = 6;

export const REWRITE_NONE = 0;
/** The part of the path that matched is replaced. */
export const REWRITE_PREFIX = 1;
export const REWRITE_REGEX = 2;
/** The whole path is replaced. */
export const REWRITE_PATH = 3;

export class CompiledRoute {
  name = '';
  virtualHostName = '';
  /** Place in its virtual host's list. */
  index = 0;
  /** Place among all routes of the table; also the salt of its random choices. */
  id = 0;
  kind: 0 | 1 | 2 = ROUTE_FORWARD;

  // ---- match ----
  pathKind = PATH_ANY;
  /** Of exact, prefix and separated: the text (lower-case where letters' case does not count). */
  pathText = '';
  caseSensitive = true;
  regex: LinearRegex | null = null;
  template: PathTemplate | null = null;
  /** Empty: every method. */
  methods: readonly string[] = [];
  rules: readonly ValueRule[] = [];
  /** The caller must have shown a certificate (1), or none (0); -1: either. */
  clientCertificate: -1 | 0 | 1 = -1;
  /** The share of requests that pass; 1: all. */
  fraction = 1;
  /** The path index has the last word: nothing else is asked. */
  certain = false;

  // ---- forward ----
  /** Takes from the high priority's row of the cluster's circuit breakers. */
  highPriority = false;
  timeoutMs = 0;
  /** The same as the line that tells the upstream. */
  timeoutBlock: FieldBlock | null = null;
  /** The longest `grpc-timeout`, 0 without limit; -1: the header is the upstream's affair. */
  grpcTimeoutMaxMs = -1;
  /** The protocols that may be upgraded to, lower-case; null: the listener's. */
  upgrades: readonly string[] | null = null;
  /** -1: the listener's stream idle time-out. */
  idleTimeoutMs = -1;
  /** null: nothing is tried again, unless an internal caller asks for it. */
  retry: RetryPolicy | null = null;
  /** A try that has timed out races with the next. */
  hedge = false;
  clusterNames: readonly string[] = [];
  clusterWeights: readonly number[] = [];
  totalWeight = 0;
  /** Lower-case name of the header that names the cluster; '' when `clusterNames` has it. */
  clusterHeader = '';
  /** One slot per cluster name, filled by `proxy` with what it wants to find there. */
  clusterRefs: unknown[] = [];
  /** What makes the filters of its requests, filled by `proxy` as well; null: there are none. */
  filters: unknown = null;

  /** Which of the cluster's hosts may be chosen (`config/subset-key.ts`); '': all. */
  subset = '';
  /** What its requests are hashed by, for clusters that pick by hash. */
  hashRules: readonly HashRule[] = [];
  sticky: StickyRule | null = null;

  rewriteKind = REWRITE_NONE;
  rewriteText = '';
  rewriteRegex: LinearRegex | null = null;
  /** Of REWRITE_REGEX: text, group, text …; of REWRITE_PATH: text, variable, text …. */
  rewriteParts: readonly (string | number)[] = [];
  /** The Host sent upstream; '' keeps the caller's. */
  hostRewrite = '';
  /** The Host sent upstream is the chosen endpoint's name. */
  hostFromUpstream = false;

  // ---- redirect and respond ----
  status = 0;
  /** '' or 0 or null: as in the request. */
  redirectScheme = '';
  redirectHost = '';
  redirectPort = 0;
  redirectPath: string | null = null;
  redirectPrefix: string | null = null;
  stripQuery = false;
  /** name, value, name, value …, in latin1. */
  respondHeaders: readonly string[] = [];
  respondBody: Buffer = Buffer.alloc(0);

  // ---- header edits: the route's before its virtual host's, as Envoy applies them ----
  requestEdits: readonly EditLevel[] = [];
  responseEdits: readonly EditLevel[] = [];
}
