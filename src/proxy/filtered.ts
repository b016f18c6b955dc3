// @hot
// A request and its filters, between `begin` and its route: they may answer it, let it wait, and hold bytes of its bodies
// back. Worker thread. The part of the Journey that its FilterChain speaks to; the chain ends with `finish`.

import type { ChainOwner, FilterChain } from '../filter/chain.ts';
import { CONTINUE, PAUSE, type FilterReply } from '../filter/filter.ts';
import type { ChainMaker } from '../filter/registry.ts';
import { ROUTE_FORWARD, type CompiledRoute } from '../route/compiled-route.ts';
import { Attempts } from './attempts.ts';
import { ASKED } from './phase.ts';
import type { LocalReply } from './reply.ts';

export abstract class Filtered extends Attempts implements ChainOwner {
  protected chain: FilterChain | null = null;
  /** Body bytes that came while filters let the request wait. */
  private early: Buffer | null = null;
  protected lastActive = 0;

  protected abstract clusterNameOf(route: CompiledRoute): string;
  protected abstract takeRoute(route: CompiledRoute | null): void;
  protected abstract feed(buf: Buffer, start: number, end: number, last: boolean): void;
  protected abstract sendOn(buf: Buffer, start: number, end: number, last: boolean): void;
  protected abstract sendDown(buf: Buffer, start: number, end: number, last: boolean): void;
  protected abstract reply(local: LocalReply): void;

  /** The filters get the request before its route does. */
  protected filter(make: NonNullable<ChainMaker>, route: CompiledRoute | null): void {
    this.route = route;
    if (route !== null) {
      this.routeName = route.name;
      if (route.kind === ROUTE_FORWARD) this.clusterName = this.clusterNameOf(route);
    }
    this.chain = make(this, route);
    this.runFilters(this.chain);
  }

  private runFilters(chain: FilterChain): void {
    const { runtime } = this;
    const step = chain.request(this);
    if (step === CONTINUE) this.takeRoute(chain.routeChanged ? runtime.routes.match(this, runtime.tools.random) : this.route);
    else if (step === PAUSE) this.watch();
  }

  /** A filter lets the request wait: so does its body, unseen. */
  protected keepForFilters(buf: Buffer, start: number, end: number, last: boolean): void {
    const bytes = buf.subarray(start, end);
    this.early = this.early === null ? Buffer.from(bytes) : Buffer.concat([this.early, bytes]);
    if (last) this.requestDone = true;
    else this.pauseDown();
  }

  // ---- from the chain ----

  filtersResumed(): void {
    const { chain, early, requestDone } = this;
    if (this.phase !== ASKED || chain === null) return;
    if (early === null) {
      this.runFilters(chain);
      return;
    }
    this.early = null;
    this.requestDone = false;
    this.holdRequest(); // what has been kept comes before what comes now
    this.runFilters(chain);
    if (this.chain !== chain) return;
    if (this.phase === ASKED) {
      this.early = early;
      this.requestDone = requestDone;
    } else this.feed(early, 0, early.length, requestDone);
    if (this.chain === chain) this.releaseRequest();
  }

  filterReply(reply: FilterReply): void {
    if (this.phase !== ASKED) return;
    const head = this.answerHead();
    for (let i = 0; i < reply.headers.length; i += 2) head.add(reply.headers[i]!, reply.headers[i + 1]!);
    this.reply(reply);
  }

  passRequest(bytes: Buffer, last: boolean): void {
    this.lastActive = this.runtime.tools.clock.now;
    this.sendOn(bytes, 0, bytes.length, last);
  }

  passResponse(bytes: Buffer, last: boolean): void {
    this.sendDown(bytes, 0, bytes.length, last);
  }

  override clear(): void {
    super.clear();
    this.chain = null;
    this.early = null;
  }
}
