/** For tests: rules and the plans made of them. */
import type { MaskMatch, Transform } from '../core/masks.ts';
import type { MaskRuleView } from '../core/views.ts';
import { type CompiledMask, compileMasks } from './rules.ts';

export const KEY = Buffer.alloc(32, 7);

export const TRANSFORM_EXAMPLES: readonly Transform[] = [
  { kind: 'null' },
  { kind: 'redact' },
  { kind: 'hash' },
  { kind: 'tokenise' },
  { kind: 'generalise', date: 'month', bucket: 1000, prefix: 3 },
  { kind: 'generalise', date: 'year', bucket: 7, prefix: 0 },
  { kind: 'partial', keep: 4 },
  { kind: 'partial', keep: 16 },
];

let made = 0;

export function ruleView(
  match: Partial<MaskMatch>,
  transform: Transform = { kind: 'redact' },
  over: Partial<MaskRuleView> = {},
): MaskRuleView {
  const id = `m${String(++made).padStart(6, '0')}`;
  return {
    id,
    name: `rule-${id}`,
    revision: 1,
    resourceId: null,
    principalId: null,
    grantId: null,
    match: { columns: [], names: [], detectors: [], ...match },
    transform,
    probes: 'deny',
    status: 'active',
    ...over,
  };
}

/** The mask of a column under one transform. */
export function columnMask(transform: Transform, key: Uint8Array = KEY): CompiledMask {
  return compileMasks([ruleView({ columns: ['*.*.*'] }, transform)], key).forColumn(
    's',
    't',
    'c',
  ) as CompiledMask;
}
