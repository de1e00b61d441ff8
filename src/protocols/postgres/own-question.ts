/** The one question that Postern itself asks in a session, between commands of the client: what the search path is now. */
import type { Expected, Flow } from './flow.ts';
import type { PathWatch } from './path-watch.ts';
import { status } from './response-parts.ts';
import { readDataRow } from './simple-query.ts';
import { Back, errorFields, type FrameReader, query } from './wire.ts';

export const SHOW_SEARCH_PATH = query('SHOW search_path');

/** What it needs of its session. */
export interface Asking {
  readonly flow: Flow;
  readonly pathWatch: PathWatch;
}

export class OwnQuestion {
  readonly #session: Asking;
  readonly #reader: FrameReader;
  /** Text of the one row of the answer, and the pieces of that row so far. */
  #answer: string | null = null;
  #row: Buffer[] = [];

  constructor(session: Asking, reader: FrameReader) {
    this.#session = session;
    this.#reader = reader;
  }

  /** Returns whether the present message of the server was part of the answer: then the client does not get it. */
  answers(head: Expected): boolean {
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
}
