/** Which functions may be called without `execute`. */
import { HARMLESS_FUNCTIONS } from './functions-list.ts';

const HARMLESS: ReadonlySet<string> = new Set(HARMLESS_FUNCTIONS);

/** Is every built-in function of that name free of side effects, and blind to tables, files and other sessions? */
export function isHarmlessFunction(name: string): boolean {
  return HARMLESS.has(name);
}

const SAMPLING: ReadonlySet<string> = new Set(['bernoulli', 'system']);

/** Is it one of PostgreSQL's own TABLESAMPLE methods? */
export function isHarmlessSampling(name: string): boolean {
  return SAMPLING.has(name);
}
