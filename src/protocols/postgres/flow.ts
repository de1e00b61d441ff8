import type { Hash } from 'node:crypto';
import type { NativeError } from './errors.ts';
import type { StatementMask } from './mask.ts';
import type { CellMask } from './mask-cells.ts';
import type { MaskedResult } from './mask-results.ts';
import type { Shape } from './mask-rows.ts';
import type { Change, Named } from './named.ts';
import type { ResultLimits } from './result-limits.ts';
import type { Known } from './statements.ts';

/** What the client named with Parse or PREPARE. */
export interface Prepared {
  readonly known: Known;
  /** Text of the statement, as sent. */
  readonly text: Buffer;
  /** Parameter type OIDs that the client gave; 0 where it left them open. */
  readonly types: readonly number[];
  /** What its names meant when they were resolved first, by search path: the server keeps to that while the path is the same. */
  readonly meant: Map<string, string>;
}

/** What the client named with Bind or DECLARE. */
export interface Portal {
  readonly known: Known;
  readonly text: Buffer;
  readonly parameters: Buffer | null;
  /** What was decided when its names were resolved, where they depend on the search path: `Allowed.fragment`. */
  decided: string | null;
  /** What its names meant then, where they depend on the search path. */
  meant: string | null;
  /** Of EXECUTE and FETCH: what it was bound to, which settled its columns. */
  runs: Runs | null;
  /** What was recorded when it was bound, until its first Execute takes it over. */
  bound: Bound | null;
  /** Its columns, once the server has described them; while that is on its way, the batch in which it was asked. */
  shape: Shape | number | null;
  /** An SQL cursor: may outlive its transaction. */
  readonly cursor: boolean;
}

/** One of which nothing is settled yet. */
export function newPortal(known: Known, text: Buffer, parameters: Buffer | null, cursor: boolean): Portal {
  return {
    known,
    text,
    parameters,
    decided: null,
    meant: null,
    runs: null,
    bound: null,
    shape: null,
    cursor,
  };
}

/** What EXECUTE or FETCH ran when it was bound, and with which search path. */
export interface Runs {
  readonly inner: readonly Known[];
  readonly path: string | null;
}

/** A command that was recorded before its Bind was forwarded: the server may evaluate functions while it plans. */
export interface Bound {
  readonly running: Running;
  /** `Allowed.fragment` of the record. */
  readonly fragment: string;
}

/** A command that has been recorded and forwarded, while its outcome gathers. */
export class Running {
  readonly id: string;
  startedMicros: number;
  /** False once its outcome is recorded, or when it was not recorded itself. */
  open = true;
  /** Recorded for a Bind, and executed since. */
  taken = false;
  rows = 0;
  /** `rows` when the last command tag came: a string of statements has one tag each. */
  rowsBefore = 0;
  bytes = 0;
  tag = '';
  /** What masks values in its results; null where nothing does. */
  cells: CellMask[] | null = null;
  /** What its grant says of its result; null where nothing. */
  limits: ResultLimits | null = null;
  /** Of what the client is sent of its result; null where the resource does not ask for it. */
  digest: Hash | null = null;

  constructor(id: string, startedMicros: number) {
    this.id = id;
    this.startedMicros = startedMicros;
  }
}

export type ExpectedKind =
  | 'query'
  | 'parse'
  | 'bind'
  | 'describe'
  | 'execute'
  | 'close'
  | 'sync'
  | 'internal';

/** The answer that the server owes for one forwarded message. */
export class Expected {
  readonly kind: ExpectedKind;
  running: Running | null = null;
  /** Of a Bind: what was recorded for it. */
  bound: Running | null = null;
  /** Set when what was forwarded is a statement that cannot but fail: the client reads this error instead. */
  denied: NativeError | null = null;
  /** What has to be masked in its results, and how far that is. */
  mask: StatementMask | null = null;
  masked: MaskedResult | null = null;
  /** Of a Describe or an Execute: the portal. */
  shaped: Portal | null = null;
  /** Postern asked it for itself: the client does not hear the answer. */
  hidden = false;
  statement: Change<Prepared> | null = null;
  portal: Change<Portal> | null = null;
  /** Name changes of PREPARE, DEALLOCATE, DECLARE ... inside a statement. */
  statements: Change<Prepared>[] = NONE;
  portals: Change<Portal>[] = NONE;
  /** The name changes are those of one statement, which happens or does not. */
  single = false;
  failed = false;
  changesCatalog = false;
  /** May ask the client for data (COPY FROM STDIN). */
  copies = false;
  /** CopyDone and CopyFail messages that were forwarded before it asked. */
  ends = 0;

  constructor(kind: ExpectedKind) {
    this.kind = kind;
  }
}

const NONE: never[] = [];

/** Where a session stands between what was forwarded and what was answered. */
export class Flow {
  readonly expected: Expected[] = [];
  readonly statements: Named<Prepared>;
  readonly portals: Named<Portal>;
  /** Recorded, bound, and not executed yet. */
  readonly bound = new Set<Running>();
  /** Messages between two Syncs; a simple query closes one too. */
  batch = 0;
  /** The server is discarding everything up to the next Sync. */
  skipping = false;
  /** The server takes data, and the client has not ended it yet. */
  copyIn = false;
  /** Transaction status of the last ReadyForQuery: idle, in a transaction, in a failed one. */
  status: 'I' | 'T' | 'E' = 'I';
  #waiting: (() => void)[] = [];
  #moving: (() => void)[] = [];

  constructor(statements: Named<Prepared>, portals: Named<Portal>) {
    this.statements = statements;
    this.portals = portals;
  }

  /** The client ended its data. */
  copyEnded(): void {
    if (this.copyIn) {
      this.copyIn = false;
      return;
    }
    // Data follow the command that they are for.
    const command = this.expected.findLast((each) => each.copies);
    if (command !== undefined) command.ends += 1;
  }

  /** The server asks for data. */
  copyBegins(head: Expected): void {
    if (head.ends > 0) head.ends -= 1;
    else this.copyIn = true;
    this.#wake();
  }

  /** Whether it is open if a Sync sent now would be read as one: inside COPY data the server ignores it. */
  get copyMayBegin(): boolean {
    return !this.copyIn && this.expected.some((each) => each.copies && each.ends === 0);
  }

  /** Resolves when something was answered. */
  moved(): Promise<void> {
    return new Promise((resolve) => this.#moving.push(resolve));
  }

  /** A simple query is on its way: it takes the unnamed statement and the unnamed portal away. */
  replacesUnnamed(head: Expected): void {
    if (this.statements.mayHave('')) head.statement = this.statements.change('', null, this.batch);
    if (this.portals.mayHave('')) head.portal = this.portals.change('', null, this.batch);
  }

  /** The server has carried `head` out. */
  confirm(head: Expected): void {
    if (head.statement !== null) this.statements.confirm(head.statement);
    if (head.portal !== null) this.portals.confirm(head.portal);
    for (const change of head.statements) this.statements.confirm(change);
    for (const change of head.portals) this.portals.confirm(change);
  }

  /** The server skipped it or refused it as a whole. */
  drop(head: Expected): void {
    if (head.statement !== null) this.statements.drop(head.statement);
    if (head.portal !== null) this.portals.drop(head.portal);
    for (const change of head.statements) this.statements.drop(change);
    for (const change of head.portals) this.portals.drop(change);
  }

  /** What `head` runs failed: of a string of statements it is not known which name changes happened before. */
  failed(head: Expected): void {
    if (head.kind === 'query') {
      if (head.statement !== null) this.statements.doubt(head.statement);
      if (head.portal !== null) this.portals.doubt(head.portal);
    }
    if (head.single) {
      this.drop(head);
      return;
    }
    for (const change of head.statements) this.statements.doubt(change);
    for (const change of head.portals) this.portals.doubt(change);
  }

  /** Resolves when every forwarded message has been answered. */
  drained(): Promise<void> {
    if (this.expected.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** To be called when the queue has become shorter. */
  settle(): void {
    this.#wake();
    if (this.expected.length > 0 || this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  #wake(): void {
    if (this.#moving.length === 0) return;
    const moving = this.#moving;
    this.#moving = [];
    for (const resolve of moving) resolve();
  }
}
