/** What is otherwise in one package than in an earlier one. */
import { hash } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PosternError } from '../core/errors.ts';
import type { Assessment, AssessmentResult, Outcome, ResultRow } from './assess/types.ts';
import { Check } from './findings.ts';
import { folderHost } from './folder-files.ts';
import { FILES, type Manifest, POPULATIONS, type Population } from './format.ts';
import { type PackageFiles, readText } from './package-files.ts';
import { LineReader } from './readers.ts';
import { parseObject } from './row-matcher.ts';
import { readManifest } from './verify-files.ts';
import { unzipInto } from './zip.ts';

/** `better`: nearer to a pass; `worse`: farther from it; `otherwise`: the outcome changed in another way. */
export type Course = 'better' | 'worse' | 'same' | 'otherwise' | 'new' | 'gone';

export interface ObjectiveChange {
  readonly objective: string;
  readonly course: Course;
  readonly before: Outcome | null;
  readonly after: Outcome | null;
  /** Rows that fail only now, and that fail no more; among the first 1,000 of each. */
  readonly newRows: readonly ResultRow[];
  readonly goneRows: readonly ResultRow[];
  readonly failing: { readonly before: number; readonly after: number };
  /** Whether the query is another one: then the outcomes are not of the same question. */
  readonly asked: 'alike' | 'otherwise';
}

export interface PopulationChange {
  readonly population: Population;
  readonly before: number;
  readonly after: number;
  readonly new: number;
  readonly gone: number;
  readonly changed: number;
}

export interface Comparison {
  readonly before: PackageFacts;
  readonly after: PackageFacts;
  /** Null where either has no assessment, or they are by different frameworks. */
  readonly objectives: readonly ObjectiveChange[] | null;
  readonly parameters: readonly { readonly id: string; readonly before: unknown; readonly after: unknown }[];
  readonly populations: readonly PopulationChange[];
}

export interface PackageFacts {
  readonly origin: string;
  readonly size: number;
  readonly time: string | null;
  readonly framework: string | null;
  readonly period: string | null;
}

interface Opened {
  readonly manifest: Manifest;
  readonly assessment: Assessment | null;
  readonly files: PackageFiles;
}

/**
 * Compares two packages, folders or zips, as they are: neither is verified by it.
 *
 * @throws PosternError POSTERN_NOT_FOUND where there is nothing at a path; POSTERN_INVALID where it is no package, or they are of different logs
 */
export async function comparePackages(before: string, after: string): Promise<Comparison> {
  return withPackage(before, (old) => withPackage(after, async (now) => compare(old, now)));
}

function compare(old: Opened, now: Opened): Comparison {
  const [before, after] = [factsOf(old), factsOf(now)];
  if (before.origin !== after.origin)
    throw new PosternError(
      'POSTERN_INVALID',
      `The packages are of different logs: ${before.origin} and ${after.origin}.`,
    );
  const assessed = old.assessment !== null && now.assessment !== null && before.framework === after.framework;
  return {
    before,
    after,
    objectives: assessed ? objectives(old.assessment.results, now.assessment.results) : null,
    parameters: assessed ? parameters(old.assessment, now.assessment) : [],
    populations: POPULATIONS.map((population) => populationChange(population, old.files, now.files)),
  };
}

const factsOf = ({ manifest: { log, parameters } }: Opened): PackageFacts => ({
  ...{ origin: log.origin, size: log.size, time: log.time },
  framework: parameters.framework?.id ?? null,
  period: parameters.period?.name ?? null,
});

function objectives(
  before: readonly AssessmentResult[],
  after: readonly AssessmentResult[],
): ObjectiveChange[] {
  const [old, now] = [before, after].map(
    (results) => new Map(results.map((result) => [result.objective, result])),
  ) as [Map<string, AssessmentResult>, Map<string, AssessmentResult>];
  return [...new Set([...now.keys(), ...old.keys()])].map((id) =>
    objectiveChange(id, old.get(id), now.get(id)),
  );
}

function objectiveChange(objective: string, old?: AssessmentResult, now?: AssessmentResult): ObjectiveChange {
  const [was, is] = [rowsOf(old), rowsOf(now)];
  return {
    objective,
    course: courseOf(old?.outcome, now?.outcome),
    before: old?.outcome ?? null,
    after: now?.outcome ?? null,
    newRows: [...is].filter(([key]) => !was.has(key)).map(([, row]) => row),
    goneRows: [...was].filter(([key]) => !is.has(key)).map(([, row]) => row),
    failing: { before: old?.failingCount ?? 0, after: now?.failingCount ?? 0 },
    asked: old?.query?.sha256 === now?.query?.sha256 ? 'alike' : 'otherwise',
  };
}

/** By what tells a row again: its id, or what it says without the leaf that said it. */
function rowsOf(result: AssessmentResult | undefined): Map<string, ResultRow> {
  return new Map(
    (result?.failing ?? []).map((row) => {
      const { leaf: _, lastLeaf: __, ...rest } = row;
      return [typeof row.id === 'string' ? row.id : JSON.stringify(rest), row];
    }),
  );
}

const RANKS: Partial<Record<Outcome, number>> = { fail: 0, not_evaluable: 1, pass: 2 };

function courseOf(before: Outcome | undefined, after: Outcome | undefined): Course {
  if (before === undefined) return 'new';
  if (after === undefined) return 'gone';
  if (before === after) return 'same';
  const [was, is] = [RANKS[before], RANKS[after]];
  if (was === undefined || is === undefined) return 'otherwise';
  return is > was ? 'better' : 'worse';
}

function parameters(before: Assessment, after: Assessment): Comparison['parameters'] {
  const old = new Map(before.parameters.map(({ id, value }) => [id, value]));
  return after.parameters
    .map(({ id, value }) => ({ id, before: old.get(id) ?? null, after: value }))
    .filter((one) => JSON.stringify(one.before) !== JSON.stringify(one.after));
}

function populationChange(population: Population, old: PackageFiles, now: PackageFiles): PopulationChange {
  const [was, is] = [members(old, population), members(now, population)];
  const counts = { new: 0, gone: 0, changed: 0 };
  for (const [id, digest] of is) {
    const before = was.get(id);
    if (before === undefined) counts.new += 1;
    else if (before !== digest) counts.changed += 1;
  }
  for (const id of was.keys()) if (!is.has(id)) counts.gone += 1;
  return { population, before: was.size, after: is.size, ...counts };
}

/** Digests of rows by their ids. */
function members(files: PackageFiles, population: Population): Map<string, string> {
  const found = new Map<string, string>();
  const path = `populations/${population}.ndjson`;
  if (files.size(path) === null) return found;
  const lines = new LineReader(files.open(path));
  for (let line = lines.next(); line !== null; line = lines.next()) {
    const id = parseObject(line.toString('utf8'))?.id;
    if (typeof id === 'string') found.set(id, hash('sha256', line));
  }
  lines.close();
  return found;
}

async function withPackage<T>(path: string, use: (opened: Opened) => Promise<T>): Promise<T> {
  if (!existsSync(path)) throw new PosternError('POSTERN_NOT_FOUND', `There is no evidence package ${path}.`);
  if (statSync(path).isDirectory()) return use(open(path, path));
  const dir = mkdtempSync(join(tmpdir(), 'postern-compare-'));
  try {
    await unzipInto(path, dir);
    return await use(open(dir, path));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function open(dir: string, name: string): Opened {
  const { files } = folderHost(dir);
  const check = new Check('manifest');
  const manifest = readManifest(files, check);
  if (manifest === null)
    throw new PosternError(
      'POSTERN_INVALID',
      `${name} is no evidence package: ${check.findings()[0]?.message ?? ''}`,
    );
  const text = readText(files, FILES.assertions);
  const parsed = text === null ? null : parseObject(text);
  const assessment = Array.isArray(parsed?.results) ? (parsed as unknown as Assessment) : null;
  return { manifest, assessment, files };
}
