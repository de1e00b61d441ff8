/** Masks for what detectors find inside text values. */
import type { ContentMask } from './rules.ts';

export interface ContentMasked {
  /** A valid text of the type, or null for NULL. */
  readonly text: string | null;
  /** The masks that were applied. */
  readonly masks: readonly ContentMask[];
}

/**
 * Masks what the detectors find in a text value of an unmasked column; null where they find nothing.
 *
 * @param type the type's name in `pg_type`
 * @param text the value in PostgreSQL's text format
 */
export function maskContent(masks: readonly ContentMask[], type: string, text: string): ContentMasked | null {
  throw new Error(`${masks.length} ${type} ${text}`);
}
