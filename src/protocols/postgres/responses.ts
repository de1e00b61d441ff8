import { nowMicros } from '../../core/time.ts';
import { errorResponse } from './errors.ts';
import type { Expected, Running } from './flow.ts';
import type { PgSession } from './session.ts';
import { readDataRow } from './simple-query.ts';
import { Back, errorFields, type FrameReader, query, WireError } from './wire.ts';

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
  /** Text of the one row of Postern's own question, and the pieces of that row so far. */
  #answer: string | null = null;
  #row: Buffer[] = [];
  /** The last ErrorResponse of the server ended the connection. */
  fatal = false;

  constructor(session: PgSession, reader: FrameReader) {
    this.#session = session;
    this.#reader = reader;
  }

  /** Whether a message of Postern's own can go to the client now without breaking one of the server's. */
  get atBoundary(): boolean {
    return this.#reader.atBoundary;
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
    }
  }

  #message(): void {
    const { type, buffer, start, end, first } = this.#reader;
    const { flow } = this.#session;
    const head = flow.expected[0];
    if (head?.kind === 'internal') {
      if (this.#internal(head)) return;
    }
    switch (type) {
      case Back.dataRow:
        if (head !== undefined && head.running !== null) {
          if (first) head.running.rows += 1;
          head.running.bytes += end - start;
        }
        break;
      case Back.copyData:
        if (head !== undefined && head.running !== null) head.running.bytes += end - start;
        break;
      case Back.commandComplete:
        this.#completed(head, buffer.toString('latin1', start + 5, Math.min(end - 1, start + 69)));
        break;
      case Back.emptyQueryResponse:
        this.#completed(head, '');
        break;
      case Back.portalSuspended:
        this.#completed(head, 'SUSPENDED');
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
        if (head?.kind === 'describe') this.#answered(head, 'describe');
        break;
      case Back.copyInResponse:
        if (head?.kind !== 'query' && head?.kind !== 'execute')
          throw new WireError('a request for data that nothing asked for');
        flow.copyBegins(head);
        break;
      case Back.errorResponse:
        if (this.#failed(head)) return;
        break;
      case Back.readyForQuery:
        this.#ready(String.fromCharCode(buffer[start + 5] ?? 0));
        break;
      case Back.parameterStatus:
        this.#session.reported(...parameter(buffer, start, end));
        break;
      case Back.copyDone:
      case Back.copyOutResponse:
      case Back.noticeResponse:
      case Back.notificationResponse:
      case Back.parameterDescription:
        break;
      default:
        throw new WireError('a message that has no place in a session');
    }
    this.#pass(buffer, start, end);
  }

  /** Postern's own question. Returns whether the message was part of its answer. */
  #internal(head: Expected): boolean {
    const { type, buffer, start, end } = this.#reader;
    const { flow, pathWatch } = this.#session;
    if (type === Back.noticeResponse || type === Back.notificationResponse || type === Back.parameterStatus)
      return false;
    if (type === Back.dataRow) {
      this.#row.push(buffer.subarray(start, end));
      if (!this.#reader.last) return true;
      this.#answer = readDataRow(Buffer.concat(this.#row))[0] ?? null;
      this.#row = [];
    } else if (type === Back.errorResponse) {
      head.failed = true;
      if (errorFields(buffer, start, end).get('V') === 'FATAL') return false;
    } else if (type === Back.readyForQuery) {
      flow.expected.shift();
      flow.status = status(buffer[start + 5]);
      if (head.failed || this.#answer === null) {
        pathWatch.unanswered();
      } else {
        pathWatch.isNow(this.#answer);
        pathWatch.answered();
      }
      this.#answer = null;
      pathWatch.ready(flow.status, flow.expected.length === 0);
      flow.settle();
    }
    return true;
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

  #completed(head: Expected | undefined, tag: string): void {
    const { flow } = this.#session;
    if (head?.kind !== 'query' && head?.kind !== 'execute')
      throw new WireError('the end of a command that was not sent');
    flow.copyIn = false;
    if (head.running !== null) note(head.running, tag);
    if (head.kind === 'query') return;
    this.#finish(head, 'ok', head.running?.tag ?? '');
    flow.confirm(head);
    flow.expected.shift();
    flow.settle();
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
    const denied = this.fatal ? null : head.denied;
    if (denied !== null) {
      this.#send();
      session.toClient(errorResponse(denied));
    }
    head.failed = true;
    this.#finish(head, 'error', fields.get('C') ?? '');
    flow.failed(head);
    if (head.kind !== 'query') {
      flow.drop(head);
      flow.expected.shift();
      this.#skip();
    }
    flow.settle();
    return denied !== null;
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
    flow.skipping = false;
    flow.copyIn = false;
    flow.status = status(letter.charCodeAt(0));
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
    if (head.changesCatalog) this.#session.catalog.invalidate();
    this.#session.outcome(running, how, code, nowMicros());
  }

  #pass(buffer: Buffer, start: number, end: number): void {
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
    const whole = this.#start === 0 && this.#end === this.#from.length;
    this.#session.toClient(whole ? this.#from : this.#from.subarray(this.#start, this.#end));
    this.#from = null;
  }
}

export const SHOW_SEARCH_PATH = query('SHOW search_path');

function note(running: Running, tag: string): void {
  running.tag = running.tag === '' ? tag : `${running.tag}; ${tag}`.slice(0, 200);
  // `SELECT 3`, `INSERT 0 1`, `COPY 10`: the last number is the rows. Those that also came as data are the same ones; a
  // tag without data behind it (no RETURNING, CREATE TABLE AS) is all there is to know.
  const told = Number(/ (\d+)$/.exec(tag)?.[1] ?? 0);
  running.rows = Math.max(running.rows, running.rowsBefore + told);
  running.rowsBefore = running.rows;
}

function status(letter: number | undefined): 'I' | 'T' | 'E' {
  if (letter === 0x49) return 'I';
  if (letter === 0x54) return 'T';
  if (letter === 0x45) return 'E';
  throw new WireError('a transaction status that does not exist');
}

function parameter(buffer: Buffer, start: number, end: number): [string, string] {
  const [name = '', value = ''] = buffer.toString('utf8', start + 5, end).split('\0');
  return [name, value];
}
