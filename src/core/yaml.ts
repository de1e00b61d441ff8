/** YAML that people write: read strictly, with the line of everything that is wrong. */
import type { Static, TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { LineCounter, parseDocument } from 'yaml';
import { PosternError } from './errors.ts';

/** Where something stands: the names and places on the way to it. */
export type DocumentPath = readonly (string | number)[];

export interface ReadDocument<T> {
  readonly value: T;
  /** Line of the thing at that path, or of the nearest thing around it; the first is 1. */
  lineOf(path: DocumentPath): number;
}

const MAX_BYTES = 1_048_576;
const SHOWN = 10;

/**
 * Reads one YAML 1.2 document (JSON is such) of a shape. Aliases, tags beyond the core schema, names given twice and
 * names that the shape does not have are refused.
 *
 * @param name what the messages call it: a file's name
 * @throws PosternError POSTERN_INVALID, a line for each of the first problems: `policy.yaml:12: rules/0/who: ...`
 * @see https://yaml.org/spec/1.2.2/#103-core-schema
 */
export function readDocument<S extends TSchema>(
  text: string,
  shape: S,
  name: string,
): ReadDocument<Static<S>> {
  if (Buffer.byteLength(text) > MAX_BYTES) throw invalid([`${name}: longer than ${MAX_BYTES} bytes`]);
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: true,
    schema: 'core',
  });
  const syntax = [...document.errors, ...document.warnings];
  if (syntax.length > 0) {
    throw invalid(syntax.map(({ pos, message }) => `${name}:${lines.linePos(pos[0]).line}: ${message}`));
  }
  const lineOf = (path: DocumentPath): number => {
    for (let length = path.length; length >= 0; length -= 1) {
      const node = document.getIn(path.slice(0, length), true) as { range?: readonly number[] } | undefined;
      const at = node?.range?.[0];
      if (at !== undefined) return lines.linePos(at).line;
    }
    return 1;
  };
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 0 });
  } catch (error) {
    throw invalid([`${name}: ${(error as Error).message}`]);
  }
  const problems = problemsOf(shape, value).map(
    ({ path, message }) =>
      `${name}:${lineOf(path)}: ${path.length === 0 ? '' : `${path.join('/')}: `}${message}`,
  );
  if (problems.length > 0) throw invalid(problems);
  return { value: value as Static<S>, lineOf };
}

interface Problem {
  readonly path: DocumentPath;
  readonly message: string;
}

function problemsOf(shape: TSchema, value: unknown): Problem[] {
  const found = new Map<string, Problem>();
  for (const { keyword, instancePath, params, message } of Value.Errors(shape, value)) {
    const path = instancePath
      .split('/')
      .slice(1)
      .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
      .map((part) => (/^\d+$/.test(part) ? Number(part) : part));
    // Said once, by the object that has it: `additionalProperties`.
    if (keyword === 'boolean') continue;
    const key = path.join('/');
    if (!found.has(key)) found.set(key, { path, message: wordsOf(keyword, params, message) });
  }
  return [...found.values()];
}

function wordsOf(keyword: string, params: object, message: string): string {
  const { additionalProperties, requiredProperties, allowedValues } = params as Record<string, unknown>;
  const list = (names: unknown): string => (Array.isArray(names) ? names.join(', ') : '');
  if (keyword === 'additionalProperties') return `there is no such thing here: ${list(additionalProperties)}`;
  if (keyword === 'required') return `missing: ${list(requiredProperties)}`;
  if (keyword === 'enum') return `must be one of ${list(allowedValues)}`;
  return message;
}

function invalid(problems: readonly string[]): PosternError {
  const more = problems.length - SHOWN;
  return new PosternError(
    'POSTERN_INVALID',
    [...problems.slice(0, SHOWN), ...(more > 0 ? [`and ${more} more`] : [])].join('\n'),
  );
}
