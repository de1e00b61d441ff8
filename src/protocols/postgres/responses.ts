import { nowMicros } from '../../core/time.ts';
import type { ContentMask } from '../../masking/rules.ts';
import { errorResponse } from './errors.ts';
import type { Expected } from './flow.ts';
import { maskMessage } from './mask-errors.ts';
import { ResultMasker } from './mask-results.ts';
import { readShape } from './mask-rows.ts';
import { OwnQuestion } from './own-question.ts';
import { note, parameter, status } from './response-parts.ts';
import { nothingFollows, type ResultLimits } from './result-limits.ts';
import type { PgSession } from './session.ts';
import { Back, errorFields, type FrameReader, WireError } from './wire.ts';

/** So many portals of a transaction may wait for their Execute with an outcome to come. */
const MAX_BOUND = 1000;

/**
 * From the resource to the client: bytes go on as they came; what is read of them is how each command ended. Answers to what
 * Postern put in place of a refused message, or asked itself, are replaced or kept back.
 */
export class Responses {
  readonly #session: PgSession;
  readonly #reader: FrameReader;
  /** Start and end of the bytes of `#from` that go on to the client. */
  #from: Buffer | null = null;
  #start = 0;
  #end = 0;
  /** The last message that goes to the client has more to come. */
  #open = false;
  readonly #question: OwnQuestion;
  /** The client has read an error that the server knows nothing of: it waits for ReadyForQuery. */
  #muted = false;
  readonly #masker: ResultMasker;
  /** Something in this transaction may quote masked values in an error. */
  #sensitive = false;
  /** A statement of this transaction may have changed names. */
  #catalogChanged = false;
  /** What is looked for in messages of the server. */
  #content: readonly ContentMask[] = [];
  /** The last ErrorResponse of the server ended the connection. */
  fatal = false;

  constructor(session: PgSession, reader: FrameReader) {
    this.#session = session;
    this.#reader = reader;
    this.#question = new OwnQuestion(session, reader);
    this.#masker = new ResultMasker(session.gateway.limits.messageBytes);
  }

  /** Lets go what may go, and says whether a message of Postern's own can follow without breaking one of the server's. */
  atBoundary(): boolean {
    this.#send();
    return !this.#open;
  }

  onData(chunk: Buffer): void {
    const session = this.#session;
    try {
      this.#reader.push(chunk);
      while (this.#reader.next()) {
        this.#message();
        if (session.ended) return;
      }
      this.#send();
      session.outbox.flush();
    } catch (error) {
      session.upstreamFault(error);
    } finally {
      // What does not go to the client any more is forgotten.
      this.#masker.settle();
    }
  }

  #message(): void {
    const { type, buffer, start, end } = this.#reader;
    const { flow } = this.#session;
    const head = flow.expected[0];
    if (head?.kind === 'internal') {
      if (this.#question.answers(head)) return;
    }
    if (head !== undefined && head.mask !== null) {
      if (head.mask.sensitive) this.#sensitive = true;
      this.#content = head.mask.masks.plan.content;
    }
    switch (type) {
      case Back.dataRow:
        if (!givesRows(head)) throw new WireError('a row that nothing asked for');
        this.#dataRow(head);
        return;
      case Back.copyData:
        if (!givesRows(head)) throw new WireError('COPY data that nothing asked for');
        this.#copyData(head);
        return;
      case Back.commandComplete:
        if (this.#completed(head, buffer.toString('latin1', start + 5, Math.min(end - 1, start + 69))))
          return;
        break;
      case Back.emptyQueryResponse:
        if (this.#completed(head, '')) return;
        break;
      case Back.portalSuspended:
        if (this.#completed(head, 'SUSPENDED')) return;
        break;
      case Back.parseComplete:
        this.#answered(head, 'parse');
        break;
      case Back.bindComplete:
        this.#answered(head, 'bind');
        break;
      case Back.closeComplete:
        this.#answered(head, 'close');
        break;
      case Back.rowDescription:
      case Back.noData:
        if (type === Back.rowDescription && head !== undefined) {
          if (head.shaped !== null && head.kind === 'describe')
            head.shaped.shape = readShape(buffer, start, end);
          else if (head.kind === 'execute') throw new WireError('a description that nothing asked for');
          else if (head.masked !== null) this.#masker.described(head, readShape(buffer, start, end));
        }
        if (head?.kind === 'describe') {
          this.#answered(head, 'describe');
          if (head.hidden) return;
        }
        break;
      case Back.copyInResponse:
        if (head?.kind !== 'query' && head?.kind !== 'execute')
          throw new WireError('a request for data that nothing asked for');
        flow.copyBegins(head);
        break;
      case Back.errorResponse:
        if (this.#failed(head) || this.#withheld()) return;
        break;
      case Back.readyForQuery:
        this.#ready(String.fromCharCode(buffer[start + 5] ?? 0));
        break;
      case Back.parameterStatus:
        this.#session.reported(...parameter(buffer, start, end));
        break;
      case Back.copyDone:
        if (!givesRows(head)) throw new WireError('the end of a COPY that nothing asked for');
        if (head.running?.limits?.cut === true) return;
        head.masked?.copy?.end();
        break;
      case Back.copyOutResponse:
        if (!givesRows(head)) throw new WireError('COPY data that nothing asked for');
        if (head.masked !== null) this.#masker.copyBegins(head, buffer, start, end);
        break;
      case Back.noticeResponse:
        if (this.#withheld()) return;
        break;
      case Back.notificationResponse:
      case Back.parameterDescription:
        break;
      default:
        throw new WireError('a message that has no place in a session');
    }
    if (this.#muted && !UNASKED.has(type)) return;
    this.#pass(buffer, start, end);
  }

  /** A row, or a piece of one. */
  #dataRow(head: Expected): void {
    const { running, masked } = head;
    const limits = running?.limits ?? null;
    if (limits !== null && !this.#mayPass(limits)) return;
    const { first } = this.#reader;
    // Nothing is asked of these one by one, so all that have come are one piece.
    const more = masked === null && limits === null ? this.#reader.extend() : 0;
    if (running !== null) {
      running.rows += more + Number(first);
      running.bytes += this.#reader.end - this.#reader.start;
    }
    const piece = masked === null ? this.#reader : this.#masker.row(head, this.#reader, this.#from);
    if (piece !== null && !this.#muted) this.#deliver(head, piece.buffer, piece.start, piece.end);
  }

  /** Data of a COPY, or a piece of them. */
  #copyData(head: Expected): void {
    const { running, masked } = head;
    const limits = running?.limits ?? null;
    if (limits !== null && !this.#mayPass(limits)) return;
    const maskedCopy = masked !== null && this.#masker.copiesMasked(head, masked) ? masked.copy : null;
    if (maskedCopy === null && limits === null) this.#reader.extend();
    const { buffer, start, end } = this.#reader;
    if (running !== null) running.bytes += end - start;
    if (maskedCopy !== null) {
      this.#masker.copyData(maskedCopy, this.#reader, (out, from, to) => {
        if (!this.#muted) this.#deliver(head, out, from, to);
      });
    } else if (!this.#muted) this.#deliver(head, buffer, start, end);
  }

  /** The current error or notice may not be shown as it is: then it has been replaced. */
  #withheld(): boolean {
    const { buffer, start, end } = this.#reader;
    if (!this.#sensitive && this.#content.length === 0) return false;
    const masked = maskMessage(buffer, start, end, this.#sensitive, this.#content);
    if (masked === null) return false;
    if (!this.#muted || buffer[start] === Back.noticeResponse) this.#pass(masked, 0, masked.length);
    return true;
  }

  /** Whether a row, or a piece of one, may go to the client. */
  #mayPass(limits: ResultLimits): boolean {
    if (limits.cut) return false;
    const { buffer, start, first } = this.#reader;
    return !first || limits.row(buffer.readUInt32BE(start + 1));
  }

  #answered(head: Expected | undefined, kind: Expected['kind']): void {
    if (head?.kind !== kind) throw new WireError('an answer to something that was not asked');
    const session = this.#session;
    const { flow } = session;
    if (head.bound !== null && !head.bound.taken) {
      flow.bound.add(head.bound);
      session.neverExecuted(MAX_BOUND, nowMicros());
    }
    flow.confirm(head);
    flow.expected.shift();
    flow.settle();
  }

  /** Returns whether the message was replaced. */
  #completed(head: Expected | undefined, tag: string): boolean {
    const { flow } = this.#session;
    if (head?.kind !== 'query' && head?.kind !== 'execute')
      throw new WireError('the end of a command that was not sent');
    flow.copyIn = false;
    const limits = head.running?.limits ?? null;
    if (limits?.cut === true) {
      // It was done before the cancel request came.
      this.#breakOff(head, limits);
      if (this.#session.ended) return true;
    } else if (head.running !== null) note(head.running, tag);
    if (head.masked !== null) head.masked = head.masked.next();
    if (head.kind === 'query') return limits?.cut === true;
    this.#finish(head, 'ok', head.running?.tag ?? '');
    flow.confirm(head);
    flow.expected.shift();
    flow.settle();
    return limits?.cut === true;
  }

  /**
   * Tells the client that its command failed although the server has carried it out: true to the client only where it changed
   * nothing and nothing behind it runs. Otherwise the session ends, and what became of the command stays open.
   */
  #breakOff(head: Expected, limits: ResultLimits): void {
    const session = this.#session;
    const { flow } = session;
    const { stopped } = limits;
    if (stopped === null) return;
    limits.told = true;
    if (!limits.readsOnly || (head.kind === 'execute' && !nothingFollows(flow))) {
      this.#send();
      this.#finish(head, 'error', stopped.code);
      const { code, message, hint } = stopped;
      session.fail({ severity: 'FATAL', code, message, hint }, 'limit exceeded');
      return;
    }
    this.#send();
    session.toClient(errorResponse(stopped));
    if (head.kind === 'query') return;
    // The client skips to its Sync now, as after any error.
    this.#muted = true;
    flow.skipping = !flow.expected.some(({ kind }) => kind === 'sync');
  }

  /** Returns whether the message was replaced. */
  #failed(head: Expected | undefined): boolean {
    const { buffer, start, end } = this.#reader;
    const session = this.#session;
    const { flow } = session;
    const fields = errorFields(buffer, start, end);
    flow.copyIn = false;
    if (fields.get('V') === 'FATAL' || fields.get('V') === 'PANIC') this.fatal = true;
    if (head === undefined || head.kind === 'sync') return false;
    const denied = this.fatal
      ? null
      : (head.denied ?? head.running?.limits?.endedBy(fields.get('C')) ?? null);
    if (this.#muted && !this.fatal) {
      // The client has read its error.
    } else if (denied !== null) {
      this.#send();
      session.toClient(errorResponse(denied));
    }
    head.failed = true;
    this.#finish(head, 'error', fields.get('C') ?? '');
    flow.failed(head);
    if (head.kind !== 'query') {
      flow.drop(head);
      flow.expected.shift();
      const next = flow.expected[0];
      // It was asked on behalf of the Execute behind it, which would have failed alike.
      if (head.hidden && next !== undefined) this.#finish(next, 'error', fields.get('C') ?? '');
      this.#skip();
    }
    flow.settle();
    return denied !== null || (this.#muted && !this.fatal);
  }

  /** The server discards what was sent up to the next Sync. */
  #skip(): void {
    const { flow, pathWatch } = this.#session;
    for (let next = flow.expected[0]; next !== undefined && next.kind !== 'sync'; next = flow.expected[0]) {
      this.#finish(next, 'skipped', '');
      flow.drop(next);
      if (next.kind === 'internal') pathWatch.unanswered();
      flow.expected.shift();
    }
    flow.skipping = flow.expected.length === 0;
  }

  #ready(letter: string): void {
    const { flow, pathWatch } = this.#session;
    const head = flow.expected[0];
    this.#muted = false;
    flow.skipping = false;
    flow.copyIn = false;
    flow.status = status(letter.charCodeAt(0));
    if (flow.status === 'I') {
      this.#sensitive = false;
      // What a transaction made is seen by other connections when it has ended.
      if (this.#catalogChanged) this.#session.catalog.invalidate();
      this.#catalogChanged = false;
    }
    if (head !== undefined) {
      if (head.kind !== 'query' && head.kind !== 'sync') throw new WireError('ready before all was answered');
      this.#finish(head, 'ok', head.running?.tag ?? '');
      if (!head.failed) flow.confirm(head);
      flow.expected.shift();
    }
    if (flow.status === 'I') {
      flow.portals.retain((portal) => portal.cursor);
      if (flow.bound.size > 0) this.#session.neverExecuted(0, nowMicros());
    }
    pathWatch.ready(flow.status, flow.expected.length === 0);
    flow.settle();
  }

  #finish(head: Expected, how: 'ok' | 'error' | 'skipped', code: string): void {
    const running = head.running ?? head.bound;
    if (running === null) return;
    head.running = null;
    head.bound = null;
    if (head.changesCatalog) {
      this.#catalogChanged = true;
      this.#session.catalog.invalidate();
    }
    const stopped = running.limits?.told === true ? running.limits.stopped : null;
    this.#session.outcome(running, stopped === null ? how : 'error', stopped?.code ?? code, nowMicros());
  }

  /** A row, or a piece of one, goes to the client. */
  #deliver({ running }: Expected, buffer: Buffer, start: number, end: number): void {
    const digest = running?.digest ?? null;
    if (digest !== null) {
      this.#masker.settle();
      digest.update(start === 0 && end === buffer.length ? buffer : buffer.subarray(start, end));
    }
    this.#pass(buffer, start, end);
  }

  #pass(buffer: Buffer, start: number, end: number): void {
    this.#open = buffer === this.#reader.buffer && !this.#reader.last;
    if (this.#from === buffer && this.#end === start) {
      this.#end = end;
      return;
    }
    this.#send();
    this.#from = buffer;
    this.#start = start;
    this.#end = end;
  }

  #send(): void {
    if (this.#from === null) return;
    this.#masker.settle();
    const whole = this.#start === 0 && this.#end === this.#from.length;
    this.#session.toClient(whole ? this.#from : this.#from.subarray(this.#start, this.#end));
    this.#from = null;
  }
}

/** What a server says of its own accord, and the end of a batch. */
const UNASKED: ReadonlySet<number> = new Set([
  Back.noticeResponse,
  Back.notificationResponse,
  Back.parameterStatus,
  Back.readyForQuery,
]);

/** Whether rows and COPY data may come in answer to it. */
function givesRows(head: Expected | undefined): head is Expected {
  return head?.kind === 'query' || head?.kind === 'execute';
}
