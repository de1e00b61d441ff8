/** What is put in the place of a value. */
import type { CompiledMask } from './rules.ts';

/**
 * The masked form of a value of a column.
 *
 * @param type the type's name in `pg_type` (`int4`, `varchar`, `_text` for an array)
 * @param text the value in PostgreSQL's text format, never NULL
 * @returns a valid text of that type, or null for NULL
 */
export function maskTyped(mask: CompiledMask, type: string, text: string): string | null {
  throw new Error(`${mask.rule.name} ${type} ${text}`);
}
