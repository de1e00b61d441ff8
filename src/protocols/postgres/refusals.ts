import { uuidv7 } from '../../core/ids.ts';
import type { Payload } from '../../core/record.ts';
import type { Denied } from './decide.ts';
import type { NativeError } from './errors.ts';
import { Expected, type ExpectedKind } from './flow.ts';
import type { PgSession } from './session.ts';
import type { Known } from './statements.ts';
import { type FrameReader, parse, query } from './wire.ts';

/**
 * Refusals of a session: the message is replaced by one that cannot but fail, so that the server itself aborts the transaction
 * and skips to the next Sync; the client reads Postern's error in place of the server's (`responses.ts`).
 */
export class Refusals {
  readonly #session: PgSession;
  readonly #reader: FrameReader;
  #inBatch = false;

  /** @param reader where the message that is refused stands */
  constructor(session: PgSession, reader: FrameReader) {
    this.#session = session;
    this.#reader = reader;
  }

  /** Something of this batch was refused: the server will skip the rest of it, so none of it is forwarded or recorded. */
  get inBatch(): boolean {
    return this.#inBatch;
  }

  batchEnded(): void {
    this.#inBatch = false;
  }

  /** A statement that was examined may not run; recorded. */
  deny(kind: ExpectedKind, known: Known, text: Buffer, parameters: Buffer | null, why: Denied): void {
    const session = this.#session;
    const id = uuidv7();
    session.gateway.recorder.append(
      session.records.denied(id, {
        verbs: why.verbs,
        objects: why.objects,
        fingerprint: known.fingerprint,
        decision: { effect: 'deny', code: why.code, reason: why.message },
      }),
      payloads(text, parameters),
    );
    session.denied();
    this.#replace(kind, id, {
      severity: 'ERROR',
      code: why.code,
      message: why.message,
      detail: `Principal ${session.who.principal.name}, resource ${session.who.resource.name}, record ${id}.`,
      hint: why.hint,
      position: why.position,
    });
  }

  /** Refuses without a statement that could be examined; recorded where there is a text. */
  refuse(kind: ExpectedKind, text: Buffer | null, error: NativeError): void {
    if (error.sqlstate !== undefined && text === null) {
      this.#replace(kind, uuidv7(), error);
      return;
    }
    const session = this.#session;
    const id = uuidv7();
    session.gateway.recorder.append(
      session.records.denied(id, {
        verbs: [],
        objects: [],
        fingerprint: null,
        decision: { effect: 'deny', code: error.code, reason: error.message },
      }),
      text === null ? undefined : payloads(text, null),
    );
    session.denied();
    this.#replace(kind, id, { ...error, detail: `Record ${id}.` });
  }

  /** A message that is too large to be examined. */
  oversize(kind: ExpectedKind): undefined {
    this.refuse(kind, null, {
      severity: 'ERROR',
      code: 'POSTERN_STATEMENT_TOO_LARGE',
      message: `a message over ${this.#session.gateway.limits.messageBytes} bytes is not forwarded`,
      hint: 'Send large data with COPY, or in several statements.',
    });
    return undefined;
  }

  #replace(kind: ExpectedKind, id: string, error: NativeError): void {
    const { flow, outbox } = this.#session;
    const expected = new Expected(kind);
    expected.denied = error;
    flow.expected.push(expected);
    const { buffer, start } = this.#reader;
    // Even a failing Parse without a name takes the unnamed statement away, so only a refused one of that kind may have none.
    const unnamed = kind === 'parse' && buffer[start + 5] === 0;
    outbox.add(failing(kind, id, unnamed ? '' : 'postern_refused'));
    if (kind === 'query') {
      flow.replacesUnnamed(expected);
      flow.batch += 1;
    } else this.#inBatch = true;
  }
}

/** What is forwarded in place of a refused message: a syntax error, which the server's own log shows with the record's id. */
export function failing(kind: ExpectedKind, id: string, name = 'postern_refused'): Buffer {
  const text = `postern_refused /* record ${id} */`;
  return kind === 'query' ? query(text) : parse(name, text);
}

/** What is kept of a command beside its record. */
export function payloads(text: Buffer, parameters: Buffer | null): Payload[] {
  const statement: Payload = { kind: 'statement', data: text };
  return parameters === null ? [statement] : [statement, { kind: 'parameters', data: parameters }];
}

export const UNSUPPORTED_CALL: NativeError = {
  severity: 'ERROR',
  code: 'POSTERN_UNSUPPORTED',
  message: 'the function call protocol is not supported',
  hint: 'Call the function in a SELECT.',
};

/** Errors that PostgreSQL itself would give: the name is not known to the server either. */
export function missingName(sqlstate: string, text: string): NativeError {
  return { severity: 'ERROR', code: 'POSTERN_STATEMENT_INVALID', sqlstate, message: text };
}

export function tooMany(what: string, limit: number): NativeError {
  return {
    severity: 'ERROR',
    code: 'POSTERN_STATEMENT_TOO_LARGE',
    message: `more than ${limit} ${what} in one session`,
  };
}

export function pathInDoubt(): Denied {
  return unseen(
    'a name without a schema behind a change of search_path that has not been confirmed',
    'Write schema.name, or send the SET on its own and wait for its answer.',
  );
}

export function namesMoved(): Denied {
  return unseen(
    'a name without a schema would mean something else now than when its portal was bound',
    'Write schema.name, or bind it again.',
  );
}

function unseen(message: string, hint: string): Denied {
  const nothing = { position: undefined, verbs: [], objects: [] };
  return { effect: 'deny', code: 'POSTERN_STATEMENT_UNSEEN', message, hint, ...nothing };
}
