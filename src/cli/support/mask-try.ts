import { randomBytes } from 'node:crypto';
import { text as readAll } from 'node:stream/consumers';
import { maskContent } from '../../masking/content.ts';
import { parseColumnPattern } from '../../masking/patterns.ts';
import { type CompiledMask, compileMasks } from '../../masking/rules.ts';
import { maskTyped } from '../../masking/transforms.ts';
import type { MaskRule } from './api-types.ts';

export interface TryOptions {
  readonly resource?: string;
  readonly principal?: string;
  readonly grant?: string;
  readonly column?: string;
  readonly type: string;
}

/** What the rules make of a text. */
export interface Tried {
  /** Null for NULL. */
  readonly masked: string | null;
  readonly rules: readonly { readonly name: string; readonly revision: number }[];
}

/**
 * Masks a text as the rules would, on this machine and with a key that is thrown away.
 *
 * @param text standard input where it is left out: arguments of a command can be seen by others
 * @throws PosternError POSTERN_INVALID for a column that is none
 */
export async function tryMasks(
  rules: readonly MaskRule[],
  options: TryOptions,
  text: string | undefined,
): Promise<Tried> {
  const value = text ?? (await readAll(process.stdin)).replace(/\r?\n$/, '');
  const plan = compileMasks(
    rules.filter((rule) => holds(rule, options)).map((rule) => viewOf(rule)),
    randomBytes(32),
  );
  const column = options.column === undefined ? null : parseColumnPattern(options.column).parts;
  const mask = column && plan.forColumn(column[0].text, column[1].text, column[2].text);
  if (mask !== null) return { masked: maskTyped(mask, options.type, value), rules: [nameOf(mask)] };
  const found = maskContent(plan.content, options.type, value);
  if (found === null) return { masked: value, rules: [] };
  return { masked: found.text, rules: found.masks.map(nameOf) };
}

/** Of what is not said, only the rules count that hold whatever it is. */
const holds = (rule: MaskRule, { resource, principal, grant }: TryOptions): boolean =>
  rule.grant !== null
    ? rule.grant === grant
    : (rule.resource === null || resource !== undefined) &&
      (rule.principal === null || principal !== undefined);

const viewOf = (rule: MaskRule) => ({
  ...rule,
  resourceId: rule.resource?.id ?? null,
  principalId: rule.principal?.id ?? null,
  grantId: rule.grant,
});

const nameOf = ({ rule: { name, revision } }: CompiledMask): Tried['rules'][number] => ({ name, revision });
