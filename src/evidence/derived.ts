/**
 * What a package has beside its leaves, populations and commands because a framework was named: files that follow from those,
 * from the framework and from the institution's parameters alone. Export writes them; verification makes them again.
 */

import { PosternError } from '../core/errors.ts';
import type { CommandSummary } from './assess/command-summary.ts';
import { readFramework, writeFramework } from './assess/framework-file.ts';
import { builtInFramework, frameworkIds } from './assess/library.ts';
import { runAssessment } from './assess/run.ts';
import type { Assessment, Framework } from './assess/types.ts';
import { FILES, type FrameworkRef, type Manifest } from './format.ts';
import { oscalFiles } from './oscal/files.ts';
import type { Populations } from './populations.ts';
import { REPORT_PDF } from './report-pdf.ts';
import type { ReportTally } from './report-tally.ts';
import { WORKBOOK } from './workbook.ts';

/** What follows from the leaves of a package, and what it is about. */
export interface DerivedFacts {
  /** Nothing of when or by whom it was made. */
  readonly manifest: Pick<Manifest, 'parameters' | 'log' | 'coverage' | 'principals' | 'counts'>;
  readonly populations: Populations;
  readonly tally: ReportTally;
  readonly summary: CommandSummary;
}

/** What a derived file is made from. */
export interface DerivedInput extends DerivedFacts {
  readonly framework: Framework;
  readonly assessment: Assessment;
}

/** A file that follows from the assessment. */
export interface DerivedFile {
  readonly path: string;
  readonly make: (input: DerivedInput) => string | Uint8Array | Promise<string | Uint8Array>;
}

/** In the order in which they are made. */
const DERIVED_FILES: readonly DerivedFile[] = [WORKBOOK, REPORT_PDF];

export interface Derived {
  readonly assessment: Assessment;
  /** By path in the package. */
  readonly files: ReadonlyMap<string, string | Uint8Array>;
}

/**
 * What is called by the name of a framework of Postern is that, to the letter: nobody leaves out what fails and keeps the name.
 *
 * @throws PosternError POSTERN_INVALID
 */
function requireNamed(ref: FrameworkRef | undefined, text: string, { id }: Framework): void {
  if (ref === undefined) return;
  if (ref.id !== id || (ref.own && frameworkIds().includes(id)))
    throw new PosternError('POSTERN_INVALID', `A framework of the institution’s own is not called ${id}.`);
  if (ref.own || writeFramework(builtInFramework(ref.id)) === text) return;
  throw new PosternError(
    'POSTERN_INVALID',
    `It is not the framework ${ref.id} of this version of Postern, and is not marked as the institution’s own.`,
  );
}

/**
 * Makes all derived files of a package.
 *
 * @param dir where the files of its populations and records are
 * @param framework `framework.json`
 * @throws PosternError POSTERN_INVALID where the framework cannot be assessed by
 */
export async function derive(dir: string, facts: DerivedFacts, framework: string): Promise<Derived> {
  const { log, parameters } = facts.manifest;
  const { period } = parameters;
  if (period === undefined) throw new Error('An assessment is of a period.');
  const read = readFramework(framework, FILES.framework, { queries: new Map(), parameters: new Map() });
  requireNamed(parameters.framework, framework, read);
  const set = facts.populations.parameters;
  const files = new Map<string, string | Uint8Array>();
  const { origin, size, root, time } = log;
  const text = await runAssessment({
    dir,
    framework,
    period,
    asOf: { origin, size, root, time },
    parameters: set && { leaf: set.leaf, time: set.time, by: set.by.name, text: set.text },
  });
  const assessment = JSON.parse(text) as Assessment;
  files.set(FILES.assertions, text);
  if (set !== null) files.set(FILES.parameters, set.text);
  const input: DerivedInput = { ...facts, framework: read, assessment };
  for (const { path, text: json } of oscalFiles({ framework: read, assessment })) files.set(path, json);
  for (const { path, make } of DERIVED_FILES) files.set(path, await make(input));
  return { assessment, files };
}
