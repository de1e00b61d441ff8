/** What becomes of the values of a body under the masks of a session, and how often. */
import { CONTENT_MAX, maskContent } from '../../masking/content.ts';
import type { CompiledMask, MaskPlan } from '../../masking/rules.ts';
import { MASKED } from '../../masking/text.ts';
import { maskTyped } from '../../masking/transforms.ts';
import type { MaskCount } from '../session-records.ts';
import { isId } from './target.ts';

/** A body cannot be masked from here on; the message holds nothing of it. */
export class Unmaskable extends Error {}

/** Places that are counted apart; what is in further ones counts as `*`. */
const MAX_PLACES = 200;
const MAX_LABEL = 150;
const MAX_NAME = 60;
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
/** Fewer characters than these of a number are nobody's account. */
const LONG_NUMBER = 9;

/** The masks of one body. */
export class BodyMasks {
  readonly plan: MaskPlan;
  /** Largest part that is held whole, in bytes. */
  readonly messageBytes: number;
  readonly #counts = new Map<string, { column: string; mask: CompiledMask; rows: number }>();

  constructor(plan: MaskPlan, messageBytes: number) {
    this.plan = plan;
    this.messageBytes = messageBytes;
  }

  get searches(): boolean {
    return this.plan.content.length > 0;
  }

  counts(): MaskCount[] {
    return [...this.#counts.values()].map(({ column, mask: { rule }, rows }) => ({
      column,
      rule: { id: rule.id, revision: rule.revision },
      rows,
    }));
  }

  count(label: string, mask: CompiledMask): void {
    const place =
      this.#counts.size < MAX_PLACES || this.#counts.has(`${mask.rule.id} ${label}`) ? label : '*';
    const key = `${mask.rule.id} ${place}`;
    const known = this.#counts.get(key);
    if (known === undefined) this.#counts.set(key, { column: place, mask, rows: 1 });
    else known.rows += 1;
  }

  /** The masked form of a string under a masked name; null for null. */
  named(mask: CompiledMask, label: string, value: string): string | null {
    this.count(label, mask);
    return maskTyped(mask, 'text', value);
  }

  /** The JSON that stands in the place of a number, `true` or `false` under a masked name. */
  namedToken(mask: CompiledMask, label: string, token: string): string {
    if (token === 'null') return token;
    this.count(label, mask);
    if (token === 'true' || token === 'false') return mask.transform.kind === 'redact' ? 'false' : 'null';
    const masked = maskTyped(mask, /^-?\d{1,18}$/.test(token) ? 'int8' : 'numeric', token);
    return masked !== null && NUMBER.test(masked) ? masked : 'null';
  }

  /** The JSON that stands in the place of an object under a masked name. */
  namedObject(mask: CompiledMask, label: string): string {
    this.count(label, mask);
    return mask.transform.kind === 'redact' ? JSON.stringify(MASKED) : 'null';
  }

  /** A text with what the detectors find masked; null for null, undefined where they find nothing. */
  searched(label: string, text: string): string | null | undefined {
    const found = maskContent(this.plan.content, 'text', text);
    if (found === null) return undefined;
    for (const mask of found.masks) this.count(label, mask);
    return found.text;
  }

  /** The same of what must be a text: a name, a header, a line. */
  searchedText(label: string, text: string): string {
    const masked = this.searched(label, text);
    return masked === undefined ? text : (masked ?? MASKED);
  }

  /** The same of a number; a masked one becomes a string. */
  searchedNumber(label: string, token: string): string | undefined {
    if (token.length < LONG_NUMBER) return undefined;
    const masked = this.searched(label, token);
    return masked === undefined ? undefined : JSON.stringify(masked);
  }

  /** What stands in the place of a text that is too long to be searched. */
  unsearched(label: string): string {
    const [strictest] = this.plan.content;
    if (strictest !== undefined) this.count(label, strictest);
    return MASKED;
  }

  /** The place of a member as records name it: without ids, and without what detectors find. */
  label(above: string, name: string): string {
    const shown =
      maskContent(this.plan.content, 'text', name) !== null || isId(name) ? '*' : name.slice(0, MAX_NAME);
    const label = above === '' ? shown : `${above}.${shown}`;
    return label.length > MAX_LABEL ? label.slice(-MAX_LABEL) : label;
  }
}

/** Bytes of a JSON string above which it is certain to have more characters than are searched: one takes six at most. */
export const SEARCHED_BYTES = 6 * CONTENT_MAX + 2;
