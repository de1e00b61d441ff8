import type { TokenProof } from '../../core/record.ts';
import { nowMicros, rfc3339 } from '../../core/time.ts';
import type { ResourceView } from '../../core/views.ts';
import type { Gateway, LiveSession, SessionEnd, SessionInfo } from '../contract.ts';
import { mustEnd } from '../must-end.ts';
import { type SessionIdentity, SessionRecords } from '../session-records.ts';
import { Decider } from './decide.ts';
import type { NativeError } from './errors.ts';
import type { RateWindows } from './rate.ts';
import { authorityOf } from './upstream.ts';

/** A request under way. */
export interface Running {
  /** When it must be over, in milliseconds since the Unix epoch; null without a limit. */
  readonly deadline: number | null;
  /** Breaks it off: towards the service, and towards the client with the reason where that can still be said. */
  cut(error: NativeError): void;
  /** Nobody waits for it any more. */
  gone(): void;
}

export interface SessionFacts {
  readonly proof: TokenProof | undefined;
  /** TLS of the client's leg, or null. */
  readonly tls: string | null;
  readonly client: string | null;
}

/** What one principal does on one service over one connection of its client. */
export class HttpSession implements LiveSession {
  readonly gateway: Gateway;
  readonly who: SessionIdentity;
  readonly records: SessionRecords;
  readonly decider: Decider;
  readonly running = new Set<Running>();
  ended = false;
  readonly #onEnd: () => void;
  readonly #startedMicros = nowMicros();
  readonly #used = new Set<string>();
  #lastMs = Date.now();
  #commands = 0;
  #denied = 0;

  constructor(
    gateway: Gateway,
    who: SessionIdentity,
    rates: RateWindows,
    facts: SessionFacts,
    onEnd: () => void,
  ) {
    this.gateway = gateway;
    this.who = who;
    this.#onEnd = onEnd;
    this.records = new SessionRecords(who, 'http');
    this.decider = new Decider(who, gateway.directory, rates, gateway.maskKey);
    const { resource, credential, source } = who;
    const { proof, tls, client } = facts;
    gateway.recorder.append(
      this.records.opened({
        source,
        credential: credential.id,
        ...(proof && { proof }),
        grants: this.decider.grants.map(({ id }) => id),
        tls: { client: tls, upstream: resource.tls.mode === 'disable' ? null : resource.tls.mode },
        database: `${authorityOf(resource)}${resource.http?.basePath ?? ''}`,
        upstreamUser: resource.upstream.user,
        upstreamIdentity: 'fixed',
        client,
      }),
    );
    gateway.opened(this);
  }

  get id(): string {
    return this.who.session;
  }

  /** The service as it is now: its address or its credential may have changed since. */
  get resource(): ResourceView {
    return this.gateway.directory.resource(this.who.resource.id) ?? this.who.resource;
  }

  began(running: Running, grant: string): void {
    this.#commands += 1;
    this.#lastMs = Date.now();
    this.#used.add(grant);
    this.running.add(running);
  }

  over(running: Running): void {
    this.#lastMs = Date.now();
    this.running.delete(running);
  }

  denied(): void {
    this.#denied += 1;
    this.#lastMs = Date.now();
  }

  recheck(changed: boolean): void {
    if (this.ended) return;
    if (changed) this.decider.grantsChanged();
    const now = Date.now();
    const { grants } = this.decider;
    const why = mustEnd(this.gateway.directory, this.who, grants, this.#used, now) ?? this.#idleTooLong(now);
    if (why !== null) {
      this.end(why);
      return;
    }
    for (const each of this.running)
      if (each.deadline !== null && each.deadline <= now)
        each.cut({ code: 'POSTERN_TIMEOUT', message: 'the request took longer than the grant allows' });
  }

  #idleTooLong(nowMs: number): SessionEnd | null {
    if (this.running.size > 0) return null;
    const limits = this.decider.grants.flatMap(({ conditions }) => conditions.idleTimeoutMs ?? []);
    if (limits.length === 0 || nowMs - this.#lastMs < Math.min(...limits)) return null;
    return {
      kind: 'idle',
      code: 'POSTERN_TIMEOUT',
      message: 'session closed: idle for longer than the grant allows',
    };
  }

  idle(): boolean {
    return this.running.size === 0;
  }

  end(why: SessionEnd): void {
    if (this.ended) return;
    for (const each of [...this.running]) each.cut({ code: why.code, message: why.message, hint: why.hint });
    this.close(why.kind);
  }

  /** @param reason as the record says it */
  close(reason: string): void {
    if (this.ended) return;
    // What was under way has its outcome before the session has its end.
    for (const each of [...this.running]) each.gone();
    this.ended = true;
    this.gateway.recorder.append(
      this.records.closed({
        source: this.who.source,
        reason,
        durationUs: nowMicros() - this.#startedMicros,
        commands: this.#commands,
        denied: this.#denied,
      }),
    );
    this.gateway.closed(this);
    this.#onEnd();
  }

  info(): SessionInfo {
    const { principal, resource, source } = this.who;
    return {
      id: this.id,
      principal: { id: principal.id, name: principal.name },
      resource: { id: resource.id, name: resource.name },
      source,
      startedAt: rfc3339(this.#startedMicros),
      commands: this.#commands,
      denied: this.#denied,
      grants: [...this.#used],
    };
  }
}
