import type { TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { PosternError } from '../../core/errors.ts';
import type { Declaration } from '../../store/entities.ts';
import type { Action } from './action.ts';
import type { Live } from './live.ts';
import type { Manifest, Problem } from './manifests.ts';

/** What planning needs to know. */
export interface Planning {
  readonly live: Live;
  /** The reason that is recorded with every change. */
  readonly reason: string;
  readonly problems: Problem[];
  /** Ids of things of the set that are declared still. */
  readonly kept: Set<string>;
}

/** A kind of thing that can be declared. */
export interface Kind {
  /** As in `kind:`. */
  readonly name: string;
  /** As a set calls it. */
  readonly declares: Declaration['kind'];
  readonly spec: TSchema;
  /** The changes that make one thing what its declaration says; `spec` is as the schema has it. */
  readonly plan: (manifest: Manifest, spec: never, planning: Planning) => Action[] | Promise<Action[]>;
}

/**
 * Plans one declaration, once its spec is as the schema of its kind has it. What is wrong goes to the problems, with its line.
 */
export async function planManifest(kind: Kind, manifest: Manifest, planning: Planning): Promise<Action[]> {
  const { file, spec } = manifest;
  if (shapeProblems(kind.spec, spec ?? {}, [], manifest, planning.problems)) return [];
  try {
    return await kind.plan(manifest, (spec ?? {}) as never, planning);
  } catch (error) {
    if (!(error instanceof PosternError)) throw error;
    planning.problems.push({ file, line: manifest.line, message: error.message });
    return [];
  }
}

/**
 * Tells where a part of a spec is not as its schema has it.
 *
 * @param at where that part is in the spec
 * @returns whether there was something
 */
export function shapeProblems(
  schema: TSchema,
  value: unknown,
  at: readonly string[],
  manifest: Manifest,
  problems: Problem[],
): boolean {
  const errors = Value.Errors(schema, value);
  for (const { instancePath, message } of errors.slice(0, 10)) {
    const path = [...at, ...pointer(instancePath)];
    const what = message === 'schema is false' ? 'is not known here' : message;
    const line = manifest.lineOf(path.map((part) => (/^\d+$/.test(part) ? Number(part) : part)));
    problems.push({ file: manifest.file, line, message: `${['spec', ...path].join('.')} ${what}` });
  }
  return errors.length > 0;
}

/** @see https://www.rfc-editor.org/rfc/rfc6901 */
const pointer = (text: string): string[] =>
  text
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
