/** Reads declarations from YAML and JSON files, and knows in which line each part of them is. */
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Document, isNode, LineCounter, parseAllDocuments, stringify } from 'yaml';
import { CliError, usageError } from '../support/failure.ts';

export const API_VERSION = 'postern/v1';
const FILE_MAX = 1024 * 1024;
const FILES_MAX = 1000;
const MANIFESTS_MAX = 1000;
/** Nodes that aliases may come to: enough for sharing, too few for a bomb. */
const ALIASES_MAX = 100;

/** Problems that are told one by one. */
const DETAILS_MAX = 100;

type Path = readonly (string | number)[];

/** One declared thing. */
export interface Manifest {
  readonly file: string;
  /** Of its beginning. */
  readonly line: number;
  readonly kind: string;
  readonly name: string;
  readonly spec: unknown;
  /** As it stands in its file; of one among several in a list, as YAML. */
  readonly text: string;
  /** The line of a part of `spec`, or of the nearest thing around it. */
  lineOf(path: Path): number;
}

/** Something wrong with what is declared. `line` 0: with the file as a whole. */
export interface Problem {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

/** What a declaration is wrong with, all of it at once. */
export function failure(problems: readonly Problem[], what: string): CliError {
  const lines = problems.map(
    ({ file, line, message }) => `${file}${line === 0 ? '' : `:${line}`}: ${message}`,
  );
  const error = new CliError('CLI_INVALID_DECLARATION', `${what}; nothing was changed`);
  error.details = lines.slice(0, DETAILS_MAX);
  if (lines.length > DETAILS_MAX)
    error.details = [...error.details, `and ${lines.length - DETAILS_MAX} more`];
  return error;
}

/**
 * The declarations in files and folders, in the order of their names.
 *
 * @throws CliError that names every problem with its file and line
 */
export function readManifests(paths: readonly string[]): Manifest[] {
  const problems: Problem[] = [];
  const manifests = paths.flatMap(filesOf).flatMap((file) => parseManifests(file, readText(file), problems));
  const seen = new Map<string, Manifest>();
  for (const manifest of manifests) {
    const key = `${manifest.kind} ${manifest.name}`;
    const other = seen.get(key);
    if (other !== undefined) {
      const message = `${key} is declared in ${other.file}:${other.line} already`;
      problems.push({ file: manifest.file, line: manifest.line, message });
    }
    seen.set(key, manifest);
  }
  if (manifests.length > MANIFESTS_MAX) throw usageError(`more than ${MANIFESTS_MAX} things are declared`);
  if (problems.length > 0) throw failure(problems, 'the declarations are wrong');
  return manifests;
}

function filesOf(path: string): string[] {
  const files: string[] = [];
  const walk = (at: string, named: boolean): void => {
    const info = lstatSync(at);
    // A link could lead out of the folder, to a file whose text would then be in an error.
    if (info.isSymbolicLink() && !named) return;
    if (named ? !info.isDirectory() : info.isFile() && /\.(ya?ml|json)$/.test(at)) files.push(at);
    if (!info.isDirectory()) return;
    for (const name of readdirSync(at).sort()) if (!name.startsWith('.')) walk(join(at, name), false);
  };
  try {
    walk(path, true);
  } catch (error) {
    throw usageError(`cannot read ${path}: ${(error as Error).message}`);
  }
  if (files.length === 0) throw usageError(`${path} holds no .yaml, .yml or .json file`);
  if (files.length > FILES_MAX) throw usageError(`${path} holds more than ${FILES_MAX} files`);
  return files;
}

function readText(file: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw usageError(`cannot read ${file}: ${(error as Error).message}`);
  }
  if (bytes.length > FILE_MAX) throw usageError(`${file} is longer than ${FILE_MAX} bytes`);
  return bytes.toString('utf8');
}

/** The declarations of one file. JSON is YAML too; a list at the top holds several. */
export function parseManifests(file: string, text: string, problems: Problem[]): Manifest[] {
  const lines = new LineCounter();
  const options = { lineCounter: lines, schema: 'core', version: '1.2', prettyErrors: false } as const;
  const documents = parseAllDocuments(text, { ...options, uniqueKeys: true, merge: false });
  const found: Manifest[] = [];
  for (const document of Array.isArray(documents) ? documents : []) {
    const wrong = [...document.errors, ...document.warnings];
    for (const error of wrong) {
      problems.push({ file, line: lines.linePos(error.pos[0]).line, message: error.message });
    }
    if (wrong.length > 0 || document.contents === null) continue;
    let value: unknown;
    try {
      value = document.toJS({ maxAliasCount: ALIASES_MAX });
    } catch (error) {
      problems.push({ file, line: 1, message: (error as Error).message });
      continue;
    }
    const at = (path: Path): number => lineIn(document, lines, path);
    if (Array.isArray(value)) {
      for (const [n, item] of value.entries()) {
        take(file, item, stringify(item), (path) => at([n, ...path]), found, problems);
      }
    } else take(file, value, text.slice(document.range[0], document.range[2]), at, found, problems);
  }
  return found;
}

function take(
  file: string,
  value: unknown,
  text: string,
  at: (path: Path) => number,
  found: Manifest[],
  problems: Problem[],
): void {
  const problem = (path: Path, message: string): void => {
    problems.push({ file, line: at(path), message });
  };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    problem([], 'a declaration has apiVersion, kind, metadata and spec');
    return;
  }
  const { apiVersion, kind, metadata, spec, ...rest } = value as Record<string, unknown>;
  for (const key of Object.keys(rest)) problem([key], `"${key}" is not known here`);
  if (apiVersion !== API_VERSION) problem(['apiVersion'], `apiVersion is ${API_VERSION}`);
  const { name, ...others } = (metadata ?? {}) as Record<string, unknown>;
  for (const key of Object.keys(others)) problem(['metadata', key], `"${key}" is not known here`);
  if (typeof kind !== 'string') problem(['kind'], 'kind is missing');
  else if (typeof name !== 'string') problem(['metadata', 'name'], 'metadata.name is missing');
  else
    found.push({ file, line: at(['kind']), kind, name, spec, text, lineOf: (path) => at(['spec', ...path]) });
}

function lineIn(document: Document, lines: LineCounter, path: Path): number {
  for (let length = path.length; length >= 0; length--) {
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return 1;
}
