/**
 * The process in which queries are asked. Those of a package, or of an institution's framework, may be anybody's: what cannot be
 * interrupted can be killed here, and it has no environment, no network to speak to and nothing else in its memory.
 */
import { hash } from 'node:crypto';
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { LineReader } from '../readers.ts';
import { buildDatabase } from './database.ts';
import { evaluate, writeAssessment } from './evaluate.ts';
import { readFramework } from './framework-file.ts';
import { readParameterFile } from './parameter-file.ts';
import { addSampling } from './sampling.ts';
import type { AsOf, AssessedParameter, Assessment, ParameterValue, Period } from './types.ts';

/** What the process is given. */
export interface AssessJob {
  /** Where the files of the tables are, as in a package. */
  readonly dir: string;
  /** `framework.json`, complete. */
  readonly framework: string;
  readonly period: Period;
  readonly asOf: AsOf;
  readonly parameters: ParametersSet | null;
}

/** The values of the institution, and the record that set them. */
export interface ParametersSet {
  readonly leaf: number;
  readonly time: string;
  readonly by: string;
  readonly text: string;
}

/** What it says: which objective it asks now; the assessment as its file has it; or why there is none. */
export type AssessWord = { readonly at: string } | { readonly done: string } | { readonly failed: string };

function assess({ dir, framework: text, period, asOf, parameters: set }: AssessJob): string {
  const framework = readFramework(text, 'framework.json', { queries: new Map(), parameters: new Map() });
  const values =
    set === null ? new Map<string, ParameterValue>() : readParameterFile(set.text, 'parameters.yaml', null);
  const parameters: AssessedParameter[] = framework.parameters.map(({ id, label, type, odp }) => {
    return { id, label, type, odp, value: values.get(id) ?? null };
  });
  const db = buildDatabase((file) => rowsOf(join(dir, file)), period, asOf, parameters);
  addSampling(db.sql, asOf, framework.id);
  const parametersFrom: Assessment['parametersFrom'] =
    set === null ? null : { leaf: set.leaf, time: set.time, by: set.by, sha256: hash('sha256', set.text) };
  const sha256 = hash('sha256', text);
  const subject = { framework, sha256, period, asOf, parameters, parametersFrom };
  return writeAssessment(evaluate(db, subject, (at) => process.send?.({ at } satisfies AssessWord)));
}

function rowsOf(path: string): Iterable<Readonly<Record<string, unknown>>> | null {
  return existsSync(path) ? rowsIn(path) : null;
}

function* rowsIn(path: string): Generator<Readonly<Record<string, unknown>>> {
  const fd = openSync(path, 'r');
  const lines = new LineReader({ read: (into) => readSync(fd, into), close: () => closeSync(fd) });
  try {
    for (let line = lines.next(); line !== null; line = lines.next())
      yield JSON.parse(line.toString('utf8')) as Readonly<Record<string, unknown>>;
  } finally {
    lines.close();
  }
}

process.once('message', (job: AssessJob) => {
  let word: AssessWord;
  try {
    word = { done: assess(job) };
  } catch (error) {
    word = { failed: (error as Error).message };
  }
  process.send?.(word, () => process.disconnect());
});
// Whoever asked is gone.
process.once('disconnect', () => process.exit());
