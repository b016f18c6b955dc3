// The root of the primary thread: gives the control room what it needs of the other rooms. Wiring only.

import { readFileSync } from 'node:fs';
import { RE2JS } from 're2js';
import { explainHosts, type HostsReport } from './cluster/explain-hosts.ts';
import { type CheckTools as HealthTools, HealthChecks } from './cluster/health-checks.ts';
import { formatError } from './config/errors.ts';
import type { CheckTools, ConfigSource, Environment, LoadResult } from './config/load.ts';
import { loadConfig } from './config/load.ts';
import type { Snapshot } from './config/snapshot.ts';
import type { TextMatcher } from './control/admin-server.ts';
import { readConfigFile, readSecret } from './control/config-file.ts';
import type { OpenSockets, SocketDoor } from './control/listen-sockets.ts';
import type { Logger } from './control/log.ts';
import { messageOf } from './control/log.ts';
import type { Crew, Loaded } from './control/primary.ts';
import { Primary, StartError } from './control/primary.ts';
import type { Address } from './core/address.ts';
import { systemTime } from './core/clock.ts';
import { systemTimers } from './core/host-timer.ts';
import { Random } from './core/random.ts';
import { cleanPath, needsRedirect } from './http/path.ts';
import { allowedCpus, autoWorkerCount } from './io/affinity.ts';
import { explainCiphers } from './io/cipher-check.ts';
import { createLoop, loadEngine, tlsProblem } from './io/engine.ts';
import { closeDescriptors, closeListenSocket, duplicateListenSockets, holdAddress, openListenSockets, removeSocketFile } from './io/listen-socket.ts';
import { loadUws } from './listen/uws.ts';
import { checkFormat } from './observe/access-log.ts';
import { SHAPES } from './observe/shapes.ts';
import { StatsPages } from './observe/stats-pages.ts';
import { compileHttp } from './proxy/compile.ts';
import { compileTcp } from './proxy/tcp-runtime.ts';
import type { Explanation, Question } from './route/explain.ts';
import { explainRequest } from './route/explain.ts';
import type { RouteTable } from './route/match.ts';
import { explainPair, inspectCertificates } from './security/inspect.ts';
import { SharedState } from './shared/registry.ts';

/** Run from the sources (type stripping) or from the build. */
const BUILT = !import.meta.url.endsWith('.ts');

/** A file, or a document that code hands over. */
export type ConfigPlace = { readonly file: string } | { readonly document: () => unknown };

export interface ProxyOptions {
  readonly place: ConfigPlace;
  readonly environment: Environment;
  readonly logger: Logger;
}

export function createProxy(options: ProxyOptions): Primary {
  const { place, environment, logger } = options;
  return new Primary({
    version: packageVersion(),
    configPath: 'file' in place ? place.file : null,
    workerScript: new URL(BUILT ? './worker.js' : './worker.ts', import.meta.url),
    logger,
    timers: systemTimers,
    compile: compileMatcher,
    testHooks: environment['NUNCIO_TEST_HOOKS'] === '1',
    load: async () => describeLoad(await loadPlace(place, environment)),
    rehearse: (snapshot) => rehearse(snapshot, environment, (text) => logger.warn(text)),
    hire: (snapshot) => hire(snapshot, logger),
  });
}

/** Throws a StartError when there is nothing to read. */
export async function loadPlace(place: ConfigPlace, environment: Environment): Promise<LoadResult> {
  return loadConfig(await sourceOf(place), environment, CHECK_TOOLS);
}

/**
 * Compiles the whole as every worker will, and throws the result away: by `validate`, at the start and before a reload is
 * published. The checks of the configuration should leave nothing to be found here. @returns errors.
 */
export async function rehearse(snapshot: Snapshot, environment: Environment, warn: (text: string) => void = () => undefined): Promise<readonly string[]> {
  return [...compileAll(snapshot, environment).errors, ...(await rehearseUws(snapshot, warn))];
}

/** uWebSockets.js reads the size of the largest head from the environment of the process, once, when it loads. */
const UWS_HEAD_BYTES = 'UWS_HTTP_MAX_HEADERS_SIZE';
/** Heads somewhat above the limit still reach ours, so that their refusal is counted and logged. */
const UWS_HEAD_ROOM = 4096;
/** What it has read; 0 before it is loaded. */
let uwsHeadBytes = 0;

/** Loads it here, before any worker does: with its limit, and with an error that tells how to get it. */
async function rehearseUws(snapshot: Snapshot, warn: (text: string) => void): Promise<readonly string[]> {
  const listeners = snapshot.listeners.flatMap((one) => (one.engine === 'uws' && one.http !== null ? [one] : []));
  if (listeners.length === 0) return [];
  const errors = listeners.filter(({ http }) => http.acceptHttp10).map(({ name }) => `listener "${name}": the engine "uws" takes no HTTP/1.0 (acceptHttp10): choose the engine "epoll" or "node"`);
  const wanted = Math.max(...listeners.map(({ http }) => http.maxRequestHeadersBytes));
  if (uwsHeadBytes === 0) {
    process.env[UWS_HEAD_BYTES] = String(wanted + UWS_HEAD_ROOM);
    try {
      await loadUws();
      uwsHeadBytes = wanted;
    } catch (error) {
      errors.push(messageOf(error));
    }
  } else if (wanted > uwsHeadBytes) {
    warn(`maxRequestHeadersSize of a listener on the engine "uws" was raised to ${wanted} bytes: until the next start it stays at ${uwsHeadBytes}`);
  }
  return errors;
}

/** With the hosts that the request could meet. */
export interface FullExplanation extends Explanation {
  readonly hosts: readonly HostsReport[];
}

/** @throws StartError for a configuration that does not compile, Error with a sentence for a URL that cannot be read. */
export function explain(snapshot: Snapshot, environment: Environment, question: Question): FullExplanation {
  const { tables, errors } = compileAll(snapshot, environment);
  if (errors.length > 0) throw new StartError(errors);
  const explanation = explainRequest(snapshot.listeners, tables, question, (path, { http }) => {
    const clean = cleanPath(path, http);
    if (clean === '') return { path, refusal: 'the path is refused (path_normalization_failed): the answer is 400' };
    if (needsRedirect(path, http)) return { path: clean, refusal: `the path holds an escaped slash: the answer is 307 to ${clean}` };
    return { path: clean, refusal: '' };
  });
  return { ...explanation, hosts: hostsOf(snapshot, explanation) };
}

/** Of every cluster that the request may go to. */
function hostsOf({ clusters }: Snapshot, { routes }: Explanation): HostsReport[] {
  return routes.flatMap(({ outcome }) => {
    if (outcome?.kind !== 'forward') return [];
    const { subset } = outcome;
    return outcome.clusters.flatMap(({ name }) => clusters.filter((cluster) => cluster.name === name).map((cluster) => explainHosts(cluster, subset)));
  });
}

/** No table where a listener speaks TCP. */
function compileAll(snapshot: Snapshot, environment: Environment): { tables: readonly (RouteTable | null)[]; errors: readonly string[] } {
  const errors: string[] = [];
  const tables = snapshot.listeners.map(({ http, tcp }, index) => {
    const pointer = `/listeners/${index}/${http === null ? 'tcp' : 'http'}`;
    try {
      if (http === null) {
        compileTcp(tcp, environment);
        return null;
      }
      return compileHttp(http, pointer, environment, (problem) => errors.push(`${problem.pointer}: ${problem.message}`)).routes;
    } catch (error) {
      errors.push(`${pointer}: ${messageOf(error)}`);
      return null;
    }
  });
  return { tables, errors };
}

export function packageVersion(): string {
  const file = new URL(BUILT ? '../../package.json' : '../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

const CHECK_TOOLS: CheckTools = {
  checkFormat,
  secrets: { readFile: readSecret, inspectCertificates, explainPair, explainCiphers, wallMs: () => systemTime.wallMs() },
};

async function sourceOf(place: ConfigPlace): Promise<ConfigSource> {
  if ('document' in place) return { file: 'configuration', format: 'object', value: place.document() };
  try {
    return await readConfigFile(place.file);
  } catch (error) {
    throw new StartError([messageOf(error)]);
  }
}

function describeLoad(result: LoadResult): Loaded {
  return {
    config: result.ok ? result : null,
    errors: result.ok ? [] : result.errors.map(formatError),
    warnings: result.warnings.map(formatError),
  };
}

function hire(snapshot: Snapshot, logger: Logger): Crew {
  const memory = new SharedState(SHAPES);
  const engine = chooseEngine(snapshot, logger);
  return {
    engine,
    tlsProblem: tlsProblem(engine),
    cpus: chooseCpus(snapshot, logger),
    memory,
    sockets: SOCKETS,
    closeDescriptors,
    checkHealth: (tell) => checkHealth(memory, tell),
    stats: (own, published) => new StatsPages(() => ({ shared: memory, own: own(), published: published() })),
  };
}

/** The primary's own sockets: on libuv, whose loop is this thread's. */
function checkHealth(memory: SharedState, tell: Pick<HealthTools, 'log' | 'passed'>): HealthChecks {
  const cell = (index: number): number => memory.cell(index);
  return new HealthChecks({ loop: createLoop('node'), time: systemTime, random: new Random(), table: memory.hostTable, cells: memory.ownCells, cell, ...tell });
}

const SOCKETS: SocketDoor = {
  open: openListenSockets,
  hold: holdForUws,
  duplicate: duplicateListenSockets,
  close: ({ address, fds }, addressStays) => {
    for (const fd of fds) closeListenSocket(fd);
    if (!addressStays) removeSocketFile(address);
  },
};

/** uWebSockets.js binds a unix socket anew in every worker: of a path the last one stays, an abstract name is taken. */
function holdForUws(address: Address, workers: number, beside: boolean): OpenSockets {
  if (workers > 1 && address.kind === 'unix' && address.path.startsWith('@')) {
    throw new Error('the engine "uws" cannot share an abstract unix socket between workers: set "workers" to 1, or choose a path or another engine');
  }
  const held = holdAddress(address, beside);
  if (held.address.kind === 'ip' && held.address.port === 0 && workers > 1) throw new Error('the engine "uws" needs a port number here, or "workers": 1');
  return held;
}

/** What the workers' loops run on. Listeners on `node` or uWebSockets.js have theirs beside an epoll loop. */
function chooseEngine(snapshot: Snapshot, logger: Logger): 'epoll' | 'node' {
  const asked = new Set(snapshot.listeners.map(({ engine }) => engine));
  const wanted = asked.has('epoll') ? 'epoll' : asked.has('node') && asked.size === 1 ? 'node' : 'auto';
  try {
    const { kind, why } = loadEngine(wanted);
    if (why !== '') logger.info(`engine node, because epoll cannot be had here: ${why}`);
    return kind;
  } catch (error) {
    throw new StartError([`engine "epoll" cannot be had here: ${messageOf(error)}`]);
  }
}

function chooseCpus(snapshot: Snapshot, logger: Logger): readonly (number | null)[] {
  const count = snapshot.workers === 'auto' ? autoWorkerCount() : snapshot.workers;
  const none = new Array<null>(count).fill(null);
  if (!snapshot.pinWorkers) return none;
  if (process.platform !== 'linux') {
    logger.warn('workers are pinned to CPUs on Linux only');
    return none;
  }
  const allowed = allowedCpus();
  return none.map((_, index) => allowed[index % allowed.length] ?? null);
}

/** Linear time: a query of an admin page must not hang the primary. */
function compileMatcher(pattern: string): TextMatcher {
  const regex = RE2JS.compile(pattern);
  return (text) => regex.matcher(text).find();
}
