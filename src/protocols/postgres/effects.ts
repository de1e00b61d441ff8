import type { NativeError } from './errors.ts';
import { type Expected, type Flow, newPortal, type Portal, type Prepared } from './flow.ts';
import type { Change } from './named.ts';
import { isWholeName } from './statement-name.ts';
import type { Known } from './statements.ts';

/** What PREPARE, EXECUTE, DECLARE, FETCH and their like mean in this session. */
export interface StatementEffects {
  /** The statements that EXECUTE and FETCH run. */
  readonly inner: readonly Known[];
  /** The cursor that is fetched from, the last where there are several. */
  readonly fetched: Portal | null;
  /** What is executed, fetched from, prepared and declared. */
  readonly executes: readonly Prepared[];
  readonly fetches: readonly Portal[];
  readonly makes: readonly (Prepared | Portal)[];
  /** Notes the changes of names as pending on the answer to `expected`. */
  readonly apply: (expected: Expected) => void;
}

/**
 * Resolves the names in a statement (SQL-level and protocol-level names are the same to the server).
 *
 * @param text the statement as sent: what the server shows as the text of whatever it prepares or declares
 * @returns `wait` while a name's meaning is not certain; `unknown` for a name that means nothing
 */
export function effectsOf(
  known: Known,
  text: Buffer,
  flow: Flow,
  batch: number,
): StatementEffects | 'wait' | { readonly unknown: NativeError } {
  const inner: Known[] = [];
  const executes: Prepared[] = [];
  const fetches: Portal[] = [];
  const statements: { name: string | null; value: Prepared | null }[] = [];
  const portals: { name: string | null; value: Portal | null }[] = [];
  const source = Buffer.from(text);
  const alone = known.classified.statements === 1;
  let later = 0;
  for (const effect of known.classified.effects) {
    if ('name' in effect && !isWholeName(effect.name)) return tooLong();
    switch (effect.op) {
      case 'prepare': {
        const statement = innerOf(known, effect.inner, later++);
        statements.push({
          name: effect.name,
          value: { known: statement, text: source, types: [], meant: new Map() },
        });
        break;
      }
      case 'declare': {
        const statement = innerOf(known, effect.inner, later++);
        portals.push({
          name: effect.name,
          value: newPortal(statement, source, null, true),
        });
        break;
      }
      case 'execute': {
        const found = latest(statements, effect.name) ?? flow.statements.resolve(effect.name, batch);
        if (found === 'wait') return 'wait';
        if (found === undefined || found === GONE)
          return missing('26000', `prepared statement "${effect.name}" does not exist`);
        if (!isPlain(found.known)) return notPlain('EXECUTE');
        if (!alone && movesNames(found.known)) return notAlone('EXECUTE');
        inner.push(found.known);
        executes.push(found);
        break;
      }
      case 'fetch': {
        const found = latest(portals, effect.name) ?? flow.portals.resolve(effect.name, batch);
        if (found === 'wait') return 'wait';
        if (found === undefined || found === GONE)
          return missing('34000', `cursor "${effect.name}" does not exist`);
        if (!isPlain(found.known)) return notPlain('FETCH');
        if (!alone && movesNames(found.known)) return notAlone('FETCH');
        inner.push(found.known);
        fetches.push(found);
        break;
      }
      case 'deallocate':
        statements.push({ name: effect.name, value: null });
        break;
      case 'close':
        portals.push({ name: effect.name, value: null });
        break;
      case 'deallocateAll':
        statements.push({ name: null, value: null });
        break;
      case 'closeAll':
        portals.push({ name: null, value: null });
        break;
      case 'discardAll':
        statements.push({ name: null, value: null });
        portals.push({ name: null, value: null });
        break;
    }
  }
  const apply = (expected: Expected): void => {
    expected.single = alone;
    if (statements.length > 0) {
      expected.statements = statements.map(
        ({ name, value }): Change<Prepared> => flow.statements.change(name, value, batch),
      );
    }
    if (portals.length > 0) {
      expected.portals = portals.map(
        ({ name, value }): Change<Portal> => flow.portals.change(name, value, batch),
      );
    }
  };
  const makes = [...statements, ...portals].flatMap(({ value }) => (value === null ? [] : [value]));
  return { inner, fetched: fetches.at(-1) ?? null, executes, fetches, makes, apply };
}

/** The statement in the text's `index`th PREPARE or DECLARE. */
function innerOf(known: Known, classified: Known['classified'], index: number): Known {
  const found = known.lineage.filter(({ to }) => to === 'later')[index];
  const lineage: Known['lineage'] = found === undefined ? [] : [{ ...found, to: 'client' }];
  return { classified, fingerprint: known.fingerprint, lineage };
}

const GONE = Symbol('closed earlier in the same text');

/** What an earlier statement of the same text made of the name. */
function latest<T>(
  changes: readonly { name: string | null; value: T | null }[],
  name: string,
): T | typeof GONE | undefined {
  for (let i = changes.length - 1; i >= 0; i--) {
    const change = changes[i] as { name: string | null; value: T | null };
    if (change.name === null || change.name === name) return change.value ?? GONE;
  }
  return undefined;
}

/** What SQL's own PREPARE and DECLARE take. The protocol prepares anything, and EXECUTE runs that too. */
const PLAIN: ReadonlySet<string> = new Set(['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'MERGE']);

function isPlain({ classified }: Known): boolean {
  return (
    classified.kinds.length === 1 &&
    PLAIN.has(classified.kinds[0] as string) &&
    classified.effects.length === 0
  );
}

/** Whether names without a schema may mean something else once it has run. */
function movesNames({ classified }: Known): boolean {
  return (
    classified.touchesSearchPath ||
    classified.changesCatalog ||
    classified.accesses.some((access) => access.kind === 'function')
  );
}

function notAlone(command: string): { readonly unknown: NativeError } {
  const message = `${command} of what may change the meaning of names, in one string with other statements`;
  const hint = 'Send it on its own and wait for its answer.';
  return { unknown: { severity: 'ERROR', code: 'POSTERN_STATEMENT_UNSEEN', message, hint } };
}

function notPlain(command: string): { readonly unknown: NativeError } {
  const message = `${command} of anything but a SELECT, INSERT, UPDATE, DELETE or MERGE is not supported`;
  return {
    unknown: { severity: 'ERROR', code: 'POSTERN_UNSUPPORTED', message, hint: 'Send the statement itself.' },
  };
}

function tooLong(): { readonly unknown: NativeError } {
  const message = 'the name of a prepared statement or cursor is so long that PostgreSQL may cut it';
  return { unknown: { severity: 'ERROR', code: 'POSTERN_UNSUPPORTED', message } };
}

function missing(sqlstate: string, message: string): { readonly unknown: NativeError } {
  return { unknown: { severity: 'ERROR', code: 'POSTERN_STATEMENT_INVALID', sqlstate, message } };
}
