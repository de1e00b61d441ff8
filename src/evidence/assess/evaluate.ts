import { createHash, hash } from 'node:crypto';
import { PosternError } from '../../core/errors.ts';
import type { AssessDatabase } from './database.ts';
import type {
  AsOf,
  AssessedParameter,
  Assessment,
  AssessmentResult,
  Framework,
  Objective,
  Outcome,
  Period,
  Query,
  ResultRow,
} from './types.ts';

/** Rows of a result that are shown; all of them are counted and hashed. */
const SHOWN = 1000;
/** Characters of a cell that are shown. */
const LONGEST_CELL = 2000;
/** Rows that a query may give at all. */
const MOST_ROWS = 2_000_000;
const NOTHING = hash('sha256', '');

/** What an assessment is of, beside the database. */
export interface Subject {
  readonly framework: Framework;
  /** Hex, of the framework's text. */
  readonly sha256: string;
  readonly period: Period;
  readonly asOf: AsOf;
  readonly parameters: readonly AssessedParameter[];
  readonly parametersFrom: Assessment['parametersFrom'];
}

/**
 * Asks all queries of a framework of a database.
 *
 * @param begins told of each objective before it is asked
 * @throws PosternError POSTERN_INVALID where a query cannot be asked, with the objective
 */
export function evaluate(
  db: AssessDatabase,
  subject: Subject,
  begins: (objective: string) => void = () => undefined,
): Assessment {
  const { framework, sha256, period, asOf, parameters, parametersFrom } = subject;
  const results = framework.controls.flatMap(({ id, objectives }) =>
    objectives.map((objective) => {
      begins(objective.id);
      return resultOf(db, id, objective, parameters);
    }),
  );
  const counts: Record<Outcome, number> = {
    pass: 0,
    fail: 0,
    not_evaluable: 0,
    reported: 0,
    organizational: 0,
  };
  for (const { outcome } of results) counts[outcome] += 1;
  const { id, title, version, source } = framework;
  return {
    framework: { id, title, version, source, sha256 },
    period,
    asOf,
    parameters,
    parametersFrom,
    counts,
    results,
  };
}

/** An assessment as a package carries it. */
export function writeAssessment(assessment: Assessment): string {
  return `${JSON.stringify(assessment, null, 2)}\n`;
}

function resultOf(
  db: AssessDatabase,
  control: string,
  objective: Objective,
  parameters: readonly AssessedParameter[],
): AssessmentResult {
  const { id, asserts, kind, query, document, limits } = objective;
  const base = {
    control,
    objective: id,
    asserts,
    ...{
      when: query?.when ?? null,
      populations: query?.populations ?? [],
      parameters: query?.parameters ?? [],
    },
    query: query === undefined ? null : told(query),
    ...{ examined: null, failing: [], failingCount: 0, failingSha256: NOTHING },
    ...{ reported: [], reportedCount: 0, reportedSha256: NOTHING },
    ...(document !== undefined && { document }),
    ...(limits !== undefined && { limits }),
  };
  if (query === undefined) return { ...base, outcome: 'organizational' };
  const lacking = whatLacks(db, query, parameters);
  if (lacking !== null) return { ...base, outcome: 'not_evaluable', reason: lacking };
  try {
    const examined = countOf(db, query);
    const { rows, count, sha256 } = rowsOf(db, query);
    if (kind === 'report')
      return {
        ...base,
        outcome: 'reported',
        examined,
        reported: rows,
        reportedCount: count,
        reportedSha256: sha256,
      };
    // Rows that fail although nothing was looked at are a fault of the query; they are not hidden.
    if (examined === 0 && count === 0)
      return {
        ...base,
        outcome: 'not_evaluable',
        examined,
        reason: 'There was nothing of the kind to look at.',
      };
    const outcome = count === 0 ? 'pass' : 'fail';
    return { ...base, outcome, examined, failing: rows, failingCount: count, failingSha256: sha256 };
  } catch (error) {
    throw new PosternError('POSTERN_INVALID', `Objective ${id}: ${(error as Error).message}`);
  }
}

function told({ id, examined, rows }: Query): NonNullable<AssessmentResult['query']> {
  return { id, examined, rows, sha256: hash('sha256', `${examined}\n${rows}`) };
}

/** Why nothing can be said; null where it can. */
function whatLacks(
  db: AssessDatabase,
  { populations, parameters }: Query,
  known: readonly AssessedParameter[],
): string | null {
  const missing = populations.filter((name) => !db.tables.has(name));
  if (missing.length > 0) return `The package has no population ${missing.join(', ')}.`;
  const unset = parameters.filter((id) => (known.find((one) => one.id === id)?.value ?? null) === null);
  if (unset.length > 0) return `The institution has not set ${unset.join(', ')}.`;
  return null;
}

function countOf(db: AssessDatabase, { examined }: Query): number {
  const statement = db.sql.prepare(examined);
  statement.setReturnArrays(true);
  const [row, more] = statement.all() as unknown as readonly (readonly unknown[])[];
  const count = row?.[0];
  if (more !== undefined || row?.length !== 1 || typeof count !== 'number' || !Number.isSafeInteger(count))
    throw new Error('what was examined must be one whole number');
  return count;
}

function rowsOf(
  db: AssessDatabase,
  { rows: sql }: Query,
): { readonly rows: readonly ResultRow[]; readonly count: number; readonly sha256: string } {
  const columns = db.sql.prepare(sql).columns();
  // Whatever order the query has: the same rows are to come in the same order everywhere.
  const order = columns.map((_, i) => i + 1).join(', ');
  const statement = db.sql.prepare(`SELECT * FROM (\n${sql}\n) ORDER BY ${order}`);
  const shown: ResultRow[] = [];
  const sum = createHash('sha256');
  let count = 0;
  for (const row of statement.iterate()) {
    count += 1;
    if (count > MOST_ROWS) throw new Error(`it gives more than ${MOST_ROWS} rows`);
    const plain = plainRow(row as Readonly<Record<string, unknown>>);
    sum.update(`${JSON.stringify(plain)}\n`);
    if (shown.length < SHOWN) shown.push(cutRow(plain));
  }
  return { rows: shown, count, sha256: sum.digest('hex') };
}

function plainRow(row: Readonly<Record<string, unknown>>): ResultRow {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      value instanceof Uint8Array ? hash('sha256', value) : value,
    ]),
  ) as ResultRow;
}

function cutRow(row: ResultRow): ResultRow {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      typeof value === 'string' && value.length > LONGEST_CELL
        ? `${value.slice(0, LONGEST_CELL)}[...]`
        : value,
    ]),
  );
}
