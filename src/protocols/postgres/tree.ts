/** Reading the parse tree that libpg-query gives as JSON, without trusting its shape. */
import type { ErrorCode } from '../../core/errors.ts';
import type { Refusal } from './classified.ts';

/** A node without its type, or a wrapper `{TypeName: node}`. */
export type Tree = { readonly [field: string]: unknown };

/** Ends the walk: thrown and caught inside the classifier only. */
export class Refused extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.reason);
    this.refusal = refusal;
  }
}

export function refuse(code: ErrorCode, reason: string, hint?: string): never {
  throw new Refused({ code, reason, ...(hint === undefined ? {} : { hint }) });
}

/** Refuses what the classifier does not know: the walk is closed. */
export function unknown(what: string): never {
  refuse('POSTERN_STATEMENT_UNSEEN', `${what} is not supported`);
}

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function tree(value: unknown, what: string): Tree {
  return isTree(value) ? value : unknown(what);
}

/** A list field: absent means empty. */
export function list(value: unknown): readonly unknown[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : unknown('an unexpected parse tree');
}

/** The one type and body of a wrapped node; null for an empty one, which the parser writes for "nothing here". */
export function unwrap(value: unknown): { readonly type: string; readonly body: Tree } | null {
  const wrapper = tree(value, 'an unexpected parse tree');
  const entries = Object.entries(wrapper);
  if (entries.length === 0) return null;
  const [type, body] = entries[0] as [string, unknown];
  if (entries.length > 1) unknown('an unexpected parse tree');
  return { type, body: tree(body, `a ${type} node`) };
}

/** Text of a field that must be there. */
export function text(value: unknown, what: string): string {
  return typeof value === 'string' && value !== '' ? value : unknown(what);
}

/** The parts of a possibly qualified name: a list of String nodes. */
export function nameParts(value: unknown): string[] {
  return list(value).map((item) => {
    const node = unwrap(item);
    return node?.type === 'String'
      ? text(node.body.sval, 'an empty name')
      : unknown('a name that is not plain');
  });
}

export interface DottedName {
  readonly schema: string | null;
  readonly name: string;
}

/** `name`, `schema.name` or `database.schema.name` (PostgreSQL refuses another database than its own). */
export function dotted(value: unknown): DottedName {
  const parts = nameParts(value);
  const name = parts.at(-1);
  if (name === undefined || parts.length > 3) unknown('a name of that many parts');
  return { schema: parts.at(-2) ?? null, name };
}

/** The text of a constant, as SET and set_config take it; null where it is not one. */
export function constantText(value: unknown): string | null {
  const node = isTree(value) ? unwrap(value) : null;
  if (node === null) return null;
  if (node.type !== 'A_Const') return null;
  const { sval, ival, fval, boolval } = node.body;
  // The parser leaves out what is zero, false or empty.
  if (isTree(sval)) return typeof sval.sval === 'string' ? sval.sval : '';
  if (isTree(ival)) return String(ival.ival ?? 0);
  if (isTree(fval)) return String(fval.fval ?? '0');
  if (isTree(boolval)) return boolval.boolval === true ? 'true' : 'false';
  return null;
}
