/** What a grant says of results and of how long they may take, held while answers come in. */
import type { GrantConditions } from '../../core/conditions.ts';
import type { Verb } from './classified.ts';
import type { Allowed } from './decide.ts';
import type { NativeError } from './errors.ts';
import type { Flow, Portal } from './flow.ts';
import type { Known } from './statements.ts';

/** Rows that went to the client, over all that was fetched of one portal. */
interface Delivered {
  rows: number;
}

const QUERY_CANCELED = '57014';

const delivered = new WeakMap<Portal, Delivered>();

/** What is known of a command that may have to be broken off. */
export class ResultLimits {
  readonly #conditions: GrantConditions;
  readonly #grant: string;
  readonly #delivered: Delivered;
  /** It changes nothing: to tell the client that it failed after it is done is no lie. */
  readonly readsOnly: boolean;
  /** What the client reads instead of the rest, once the command is broken off. */
  stopped: NativeError | null = null;
  /** The client has read it. */
  told = false;
  /** No more of its rows go to the client. */
  cut = false;
  /** {@link overdue} has found it cut before. */
  #seenCut = false;
  #cancelled = false;

  constructor(conditions: GrantConditions, grant: string, rows: Delivered, readsOnly: boolean) {
    this.#conditions = conditions;
    this.#grant = grant;
    this.#delivered = rows;
    this.readsOnly = readsOnly;
  }

  /**
   * Another row is there.
   *
   * @param bytes of its message
   * @returns whether it may go to the client; when not, the command is to be cancelled if it still runs a moment later
   */
  row(bytes: number): boolean {
    const { maxRows, maxRowBytes } = this.#conditions;
    if (maxRows !== undefined && this.#delivered.rows >= maxRows) {
      const message = `the result has more than ${maxRows} rows, which is all that the grant allows`;
      this.#stop('POSTERN_LIMIT_EXCEEDED', message, 'Ask for less with WHERE, LIMIT or an aggregate.');
      this.cut = true;
    } else if (maxRowBytes !== undefined && bytes > maxRowBytes) {
      const message = `a row of ${bytes} bytes is larger than the ${maxRowBytes} that the grant allows`;
      this.#stop('POSTERN_LIMIT_EXCEEDED', message, 'Ask for fewer columns, or for parts of the value.');
      this.cut = true;
    } else {
      this.#delivered.rows += 1;
    }
    return !this.cut;
  }

  /**
   * Asked for the running command a few times a second. Most results that are too long are complete by then: a cancel request for
   * one would meet the next command.
   *
   * @param since milliseconds: when it began to run
   * @returns whether it is to be cancelled now
   */
  overdue(since: number, nowMs: number): boolean {
    const { statementTimeoutMs } = this.#conditions;
    if (this.#cancelled) return false;
    if (this.cut) {
      this.#cancelled = this.#seenCut;
      this.#seenCut = true;
      return this.#cancelled;
    }
    if (statementTimeoutMs === undefined || nowMs - since < statementTimeoutMs) return false;
    this.#cancelled = true;
    const message = `cancelled: it ran for more than the ${statementTimeoutMs / 1000} s that the grant allows`;
    this.#stop('POSTERN_TIMEOUT', message, undefined);
    return true;
  }

  /** The error that the client reads in place of one of the server's, where Postern has broken the command off and that ended it. */
  endedBy(sqlstate: string | undefined): NativeError | null {
    if (this.stopped === null || this.told || (!this.cut && sqlstate !== QUERY_CANCELED)) return null;
    this.told = true;
    return this.stopped;
  }

  #stop(code: NativeError['code'], message: string, hint: string | undefined): void {
    this.stopped = { severity: 'ERROR', code, message, detail: `Grant ${this.#grant}.`, hint };
  }
}

const READING: ReadonlySet<Verb> = new Set<Verb>(['select', 'copy']);

/**
 * The limits of a command; null where its grant has none.
 *
 * @param portal of which it fetches
 */
export function limitsOf(
  { grant }: Allowed,
  all: readonly Known[],
  portal: Portal | null,
): ResultLimits | null {
  const { conditions } = grant;
  if (
    conditions.maxRows === undefined &&
    conditions.maxRowBytes === undefined &&
    conditions.statementTimeoutMs === undefined
  ) {
    return null;
  }
  const readsOnly = all.every(
    ({ classified }) =>
      classified.statements === 1 &&
      classified.copy !== 'in' &&
      classified.accesses.every(({ verb }) => READING.has(verb)),
  );
  let rows = portal === null ? undefined : delivered.get(portal);
  if (rows === undefined) {
    rows = { rows: 0 };
    if (portal !== null) delivered.set(portal, rows);
  }
  return new ResultLimits(conditions, grant.id, rows, readsOnly);
}

/** Whether nothing that was forwarded behind the first command of the queue runs before the next Sync. */
export function nothingFollows({ expected }: Flow): boolean {
  for (const { kind } of expected.slice(1)) {
    if (kind === 'sync') return true;
    if (kind === 'execute' || kind === 'query') return false;
  }
  return true;
}
