import { createHash } from 'node:crypto';
import { Type } from 'typebox';
import { checkPolicy } from '../../access/policies.ts';
import type { Kind } from './kind.ts';

const SPEC = /^---\r?\n/;

/** How a text is named where what differs is shown. */
const shown = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 12);

/** A text of the access policy. Its file is what is put in force, comments and all. */
export const policyKind: Kind = {
  name: 'AccessPolicy',
  declares: 'policy',
  // What is in it is read by the policy's own reader, which knows more.
  spec: Type.Unknown(),
  plan: (manifest, _spec: unknown, { live, kept, problems, reason }) => {
    const { name, file, line } = manifest;
    const text = manifest.text.replace(SPEC, '');
    const { rules, cases } = checkPolicy(name, text);
    const before = live.policies.get(name);
    if (before !== undefined) kept.add(before.id);
    if (before?.status === 'retired') {
      problems.push({ file, line, message: `${name} is retired; a name is never used again` });
      return [];
    }
    if (before?.text === text) return [];
    const changes = [
      { field: 'text', before: before === undefined ? null : shown(before.text), after: shown(text) },
      { field: 'rules', before: null, after: rules.map((rule) => rule.name) },
      { field: 'cases', before: null, after: cases.length },
    ];
    const step = { operation: 'policy.put', ref: name, body: { text, reason } } as const;
    const verb = before === undefined ? 'create' : 'update';
    const declares = { kind: 'policy', id: before?.id ?? null } as const;
    return [{ verb, kind: 'AccessPolicy', name, manifest, changes, step, declares }];
  },
};
