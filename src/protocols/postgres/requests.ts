import { readBind } from './bind.ts';
import { dependsOnPath } from './decide.ts';
import { effectsOf, type StatementEffects } from './effects.ts';
import { Expected, type ExpectedKind, newPortal, type Portal, type Prepared } from './flow.ts';
import { Forwarding } from './forwarding.ts';
import { maskResults } from './mask-describe.ts';
import { isSame, remember } from './meanings.ts';
import { missingName, namesMoved, pathInDoubt, Refusals, tooMany, UNSUPPORTED_CALL } from './refusals.ts';
import { IN_COPY, noBody, readTarget, readTypes, requestRules } from './request-messages.ts';
import { limitsOf } from './result-limits.ts';
import type { PgSession } from './session.ts';
import { protocolName } from './statement-name.ts';
import type { Known } from './statements.ts';
import { cstringEnd, FLUSH, FrameReader, Front, WireError } from './wire.ts';

const MAX_NAMES = 10_000;
const NOTHING: StatementEffects = {
  ...{ inner: [], fetched: null, executes: [], fetches: [], makes: [] },
  apply: () => undefined,
};

/**
 * From the client to the resource: each message is examined, decided, recorded and then forwarded as it came. A statement that
 * may not run is replaced by one that cannot but fail, so that the server itself aborts the transaction and skips to the next
 * Sync, exactly as it does for a failing statement; the answer to it is replaced in `responses.ts`.
 */
export class Requests {
  readonly #session: PgSession;
  readonly #reader: FrameReader;
  readonly #refusals: Refusals;
  readonly #forwarding: Forwarding;
  /** A message that has to be looked at again, once what it waited for is there. */
  #again = false;
  #suspended = false;
  /** The beginning of the present message, which comes in pieces, was passed on. */
  #passing = false;

  constructor(session: PgSession, rest: Buffer, messageBytes: number) {
    this.#session = session;
    this.#reader = new FrameReader(requestRules(messageBytes));
    this.#refusals = new Refusals(session, this.#reader);
    this.#forwarding = new Forwarding(session, this.#reader);
    if (rest.length > 0) this.#reader.push(rest);
  }

  get suspended(): boolean {
    return this.#suspended;
  }

  /** Whether the resource waits for the rest of a message: what is sent to it now would be taken for that. */
  get midMessage(): boolean {
    return this.#passing && !this.#reader.atBoundary;
  }

  onData(chunk: Buffer): void {
    this.#reader.push(chunk);
    this.run();
  }

  run(): void {
    const session = this.#session;
    if (this.#suspended || session.ended) return;
    try {
      while (this.#again || this.#reader.next()) {
        this.#again = false;
        const wait = this.#message();
        if (session.ended || session.leaving) return;
        if (wait !== undefined) {
          this.#suspend(wait);
          break;
        }
      }
      session.outbox.flush();
      if (!this.#suspended) session.inputHandled();
    } catch (error) {
      session.clientFault(error);
    }
  }

  #suspend(wait: Promise<unknown>): void {
    this.#suspended = true;
    this.#session.updateFlowControl();
    const go = (): void => {
      this.#suspended = false;
      this.#again = true;
      this.#session.updateFlowControl();
      this.run();
    };
    wait.then(go, (error: unknown) => {
      if (!this.#session.ended) this.#session.clientFault(error);
    });
  }

  #message(): Promise<unknown> | undefined {
    const { type, buffer, start, end, first } = this.#reader;
    const { flow, outbox } = this.#session;
    if (!first) {
      // All of a message or nothing of it, whatever has happened since it began.
      if (this.#passing) outbox.add(buffer, start, end);
      if (this.#reader.last) this.#session.messageEnded();
      return undefined;
    }
    this.#passing = false;
    if ((flow.skipping || this.#refusals.inBatch) && type !== Front.sync && type !== Front.terminate)
      return undefined;
    if (flow.copyIn && !IN_COPY.has(type))
      throw new WireError('a message other than COPY data during COPY FROM STDIN');
    switch (type) {
      case Front.query:
        return this.#query();
      case Front.parse:
        return this.#parse();
      case Front.bind:
        return this.#bind();
      case Front.execute:
        return this.#execute();
      case Front.describe:
        this.#describe();
        return undefined;
      case Front.close:
        this.#close();
        return undefined;
      case Front.sync:
        noBody(this.#reader);
        if (flow.copyMayBegin) {
          outbox.add(FLUSH);
          return flow.moved();
        }
        // In COPY the server would ignore it, unless the COPY fails just now; a client sends another one when it is done.
        if (flow.copyIn) return undefined;
        this.#forwarding.forward('sync');
        flow.batch += 1;
        flow.skipping = false;
        this.#refusals.batchEnded();
        return undefined;
      case Front.flush:
        noBody(this.#reader);
        outbox.add(buffer, start, end);
        return undefined;
      case Front.copyDone:
        noBody(this.#reader);
        flow.copyEnded();
        outbox.add(buffer, start, end);
        return undefined;
      case Front.copyFail:
        flow.copyEnded();
        outbox.add(buffer, start, end);
        return undefined;
      case Front.copyData:
        this.#passing = true;
        outbox.add(buffer, start, end);
        return undefined;
      case Front.functionCall:
        this.#refusals.refuse('query', null, UNSUPPORTED_CALL);
        return undefined;
      case Front.terminate:
        this.#session.clientLeft();
        return undefined;
      default:
        throw new WireError('an authentication message in a session');
    }
  }

  #query(): Promise<unknown> | undefined {
    const { buffer, start, end, oversize } = this.#reader;
    if (oversize) return this.#refusals.oversize('query');
    const textEnd = cstringEnd(buffer, start + 5, end);
    if (textEnd !== end - 1) throw new WireError('a malformed Query message');
    const text = buffer.subarray(start + 5, textEnd);
    const known = this.#session.statements.get(text);
    if (known instanceof Promise) return known;
    if (known.classified.statements === 0 && known.classified.denied === null) {
      this.#session.flow.replacesUnnamed(this.#forwarding.forward('query'));
      this.#session.flow.batch += 1;
      return undefined;
    }
    const wait = this.#command('query', known, text, null);
    if (wait === undefined) this.#session.flow.batch += 1;
    return wait;
  }

  #parse(): Promise<unknown> | undefined {
    const { buffer, start, end, oversize } = this.#reader;
    const { flow, statements, decider } = this.#session;
    if (oversize) return this.#refusals.oversize('parse');
    const nameEnd = cstringEnd(buffer, start + 5, end);
    const textEnd = cstringEnd(buffer, nameEnd + 1, end);
    const types = readTypes(buffer, textEnd + 1, end);
    const text = buffer.subarray(nameEnd + 1, textEnd);
    const known = statements.get(text);
    if (known instanceof Promise) return known;
    const name = protocolName(buffer, start + 5, nameEnd);
    if (flow.statements.size >= MAX_NAMES) {
      this.#refusals.refuse('parse', text, tooMany('prepared statements', MAX_NAMES));
      return undefined;
    }
    const effects = effectsOf(known, text, flow, flow.batch);
    if (effects === 'wait') return this.#forwarding.drain();
    // What EXECUTE or FETCH names is settled when it runs; here it only must not be out of reach.
    const decision =
      'unknown' in effects
        ? decider.decide(known, [], Date.now())
        : decider.decide(known, effects.inner, Date.now());
    if (decision === 'names') return this.#session.readNames();
    if (decision === 'path') return this.#awaitPath(known, 'parse', text);
    if (decision.effect === 'deny') {
      this.#refusals.deny('parse', known, text, null, decision);
      return undefined;
    }
    const prepared: Prepared = { known, text: Buffer.from(text), types, meant: new Map() };
    remember(prepared, decider);
    const expected = this.#forwarding.forward('parse');
    expected.statement = flow.statements.change(name, prepared, flow.batch);
    return undefined;
  }

  #bind(): Promise<unknown> | undefined {
    const { buffer, start, end, oversize } = this.#reader;
    const { flow } = this.#session;
    if (oversize) return this.#refusals.oversize('bind');
    let prepared: Prepared | undefined | 'wait';
    const bind = readBind(buffer, start, end, (name) => {
      prepared = flow.statements.resolve(name, flow.batch);
      return typeof prepared === 'object' ? prepared.types : [];
    });
    prepared ??= flow.statements.resolve(bind.statement, flow.batch);
    if (prepared === 'wait') return this.#forwarding.drain();
    if (prepared === undefined) {
      this.#refusals.refuse(
        'bind',
        null,
        missingName('26000', `prepared statement "${bind.statement}" does not exist`),
      );
      return undefined;
    }
    if (flow.portals.size >= MAX_NAMES) {
      this.#refusals.refuse('bind', null, tooMany('portals', MAX_NAMES));
      return undefined;
    }
    const { known, text } = prepared;
    const { parameters } = bind;
    const portal = newPortal(known, text, parameters, false);
    const expected = new Expected('bind');
    // Nothing of an empty statement runs; what EXECUTE or FETCH would run is settled, and planned, when it runs.
    const runs = known.classified.statements > 0 && known.classified.effects.length === 0;
    if (runs) {
      const decision = this.#session.decider.decide(known, [], Date.now());
      if (decision === 'names') return this.#session.readNames();
      if (decision === 'path') return this.#awaitPath(known, 'bind', text);
      if (decision.effect === 'deny') {
        this.#refusals.deny('bind', known, text, parameters, decision);
        return undefined;
      }
      if (!remember(prepared, this.#session.decider)) {
        this.#refusals.deny('bind', known, text, parameters, namesMoved());
        return undefined;
      }
      const { fragment } = decision;
      // The server resolves the names now and keeps to that, whatever the search path is when it runs.
      if (dependsOnPath(known)) portal.decided = fragment;
      portal.meant = this.#session.decider.meaning(known);
      // It also plans now, which may evaluate functions of the statement: so the record comes before, and not at Execute.
      expected.mask = decision.mask;
      const running = this.#forwarding.record(decision, text, parameters);
      portal.bound = { running, fragment };
      expected.bound = running;
      this.#forwarding.forwardGuarded(expected, running);
    } else {
      if (known.classified.effects.length > 0) {
        const effects = effectsOf(known, text, flow, flow.batch);
        if (effects === 'wait') return this.#forwarding.drain();
        if (!('unknown' in effects)) portal.runs = { inner: effects.inner, path: this.#session.decider.path };
      }
      flow.expected.push(expected);
      this.#session.outbox.add(buffer, start, end);
    }
    expected.portal = flow.portals.change(bind.portal, portal, flow.batch);
    return undefined;
  }

  #execute(): Promise<unknown> | undefined {
    const { buffer, start, end } = this.#reader;
    const { flow } = this.#session;
    const nameEnd = cstringEnd(buffer, start + 5, end);
    if (nameEnd + 5 !== end) throw new WireError('a malformed Execute message');
    const name = protocolName(buffer, start + 5, nameEnd);
    const portal = flow.portals.resolve(name, flow.batch);
    if (portal === 'wait') return this.#forwarding.drain();
    if (portal === undefined) {
      this.#refusals.refuse('execute', null, missingName('34000', `portal "${name}" does not exist`));
      return undefined;
    }
    if (portal.known.classified.statements === 0) {
      this.#forwarding.forward('execute');
      return undefined;
    }
    return this.#command('execute', portal.known, portal.text, portal.parameters, portal);
  }

  /** Decides, records and forwards the current message, which runs `known`. */
  #command(
    kind: 'query' | 'execute',
    known: Known,
    text: Buffer,
    parameters: Buffer | null,
    portal: Portal | null = null,
  ): Promise<unknown> | undefined {
    const session = this.#session;
    const { flow, decider } = session;
    const { classified } = known;
    const effects = classified.effects.length === 0 ? NOTHING : effectsOf(known, text, flow, flow.batch);
    if (effects === 'wait') return this.#forwarding.drain();
    if ('unknown' in effects) {
      this.#refusals.refuse(kind, effects.unknown.sqlstate === undefined ? text : null, effects.unknown);
      return undefined;
    }
    const decision = decider.decide(known, effects.inner, Date.now());
    if (decision === 'names') return session.readNames();
    if (decision === 'path') return this.#awaitPath(known, kind, text);
    if (decision.effect === 'deny') {
      this.#refusals.deny(kind, known, text, parameters, decision);
      return undefined;
    }
    const moved =
      effects.executes.some((each) => !remember(each, decider)) ||
      effects.fetches.some(({ meant, known: inner }) => meant !== null && meant !== decider.meaning(inner));
    if (moved || (portal !== null && portal.decided !== null && portal.decided !== decision.fragment)) {
      this.#refusals.deny(kind, known, text, parameters, namesMoved());
      return undefined;
    }
    for (const made of effects.makes) {
      if ('types' in made) remember(made, decider);
      else made.meant = decider.meaning(made.known);
    }
    const bound = portal === null ? null : this.#forwarding.takeOver(portal, decision);
    const running = bound ?? this.#forwarding.record(decision, text, parameters);
    running.limits = limitsOf(decision, [known, ...effects.inner], portal ?? effects.fetched);
    session.ran(decision.grant);
    const expected = new Expected(kind);
    expected.running = running;
    if (decision.mask !== null) {
      const settled = portal === null || classified.effects.length === 0 || isSame(portal, effects, decider);
      maskResults(expected, decision.mask, portal, settled, session, this.#reader);
    }
    expected.changesCatalog = classified.changesCatalog;
    expected.copies = classified.copy === 'in' || (classified.copy !== null && classified.statements > 1);
    effects.apply(expected);
    if (kind === 'query') flow.replacesUnnamed(expected);
    session.pathWatch.forwarded(classified);
    for (const each of effects.inner) {
      session.pathWatch.forwarded(each.classified);
      if (each.classified.changesCatalog) expected.changesCatalog = true;
    }
    if (bound === null) {
      this.#forwarding.forwardGuarded(expected, running);
    } else {
      const { buffer, start, end } = this.#reader;
      flow.expected.push(expected);
      session.outbox.add(buffer, start, end);
    }
    return undefined;
  }

  /** The search path is on its way: wait for it, or refuse where the client has not given the server a chance to tell. */
  #awaitPath(known: Known, kind: ExpectedKind, text: Buffer): Promise<unknown> | undefined {
    const { flow } = this.#session;
    const last = flow.expected.at(-1);
    if (last !== undefined && (last.kind === 'sync' || last.kind === 'query' || last.kind === 'internal')) {
      return this.#forwarding.drain();
    }
    this.#refusals.deny(kind, known, text, null, pathInDoubt());
    return undefined;
  }

  #describe(): void {
    const { flow } = this.#session;
    const { isStatement, name } = readTarget(this.#reader);
    const expected = this.#forwarding.forward('describe');
    if (isStatement || !this.#session.decider.masks) return;
    const portal = flow.portals.resolve(name, flow.batch);
    if (typeof portal !== 'object') return;
    expected.shaped = portal;
    if (!Array.isArray(portal.shape)) portal.shape = flow.batch;
  }

  #close(): void {
    const { flow } = this.#session;
    const { isStatement, name } = readTarget(this.#reader);
    const expected = this.#forwarding.forward('close');
    if (isStatement) expected.statement = flow.statements.change(name, null, flow.batch);
    else expected.portal = flow.portals.change(name, null, flow.batch);
  }
}
