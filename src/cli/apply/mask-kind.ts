import { Type } from 'typebox';
import { checkMatch, checkTransform, type MaskInput } from '../../access/masks.ts';
import { DETECTORS, TRANSFORMS } from '../../core/masks.ts';
import { CLASS_NAMES } from '../../masking/classes.ts';
import { differences } from './action.ts';
import type { Kind } from './kind.ts';

const text = (maxLength: number) => Type.String({ minLength: 1, maxLength });
const closed = { additionalProperties: false };
const patterns = Type.Optional(Type.Array(text(400), { maxItems: 200 }));

interface MaskSpec extends MaskInput {
  readonly resource?: string;
  readonly principal?: string;
}

export const maskKind: Kind = {
  name: 'MaskRule',
  declares: 'mask',
  spec: Type.Object(
    {
      resource: Type.Optional(text(63)),
      principal: Type.Optional(text(63)),
      classes: Type.Optional(Type.Array(Type.Enum([...CLASS_NAMES]), { maxItems: 20 })),
      columns: patterns,
      names: patterns,
      detectors: Type.Optional(Type.Array(Type.Enum([...DETECTORS]), { maxItems: 50 })),
      transform: Type.Optional(
        Type.Object(
          {
            kind: Type.Enum([...TRANSFORMS]),
            keep: Type.Optional(Type.Integer()),
            date: Type.Optional(Type.Enum(['month', 'year'])),
            bucket: Type.Optional(Type.Integer()),
            prefix: Type.Optional(Type.Integer()),
          },
          closed,
        ),
      ),
      probes: Type.Optional(Type.Enum(['deny', 'allow'])),
    },
    closed,
  ),
  plan: (manifest, spec: MaskSpec, { live, kept, problems, reason }) => {
    const { name } = manifest;
    const before = live.masks.get(name);
    const wanted = {
      match: checkMatch(spec),
      transform: checkTransform(spec.transform ?? { kind: 'redact' }),
      probes: spec.probes ?? 'deny',
    };
    const base = { kind: 'MaskRule', name, manifest };
    const place = { resource: spec.resource ?? null, principal: spec.principal ?? null };
    if (before === undefined) {
      const step = { operation: 'mask.create', body: { ...spec, name, reason } } as const;
      const changes = differences({}, { ...place, ...wanted });
      return [{ ...base, verb: 'create', changes, step, declares: { kind: 'mask', id: null } }];
    }
    kept.add(before.id);
    const is = { resource: before.resource?.name ?? null, principal: before.principal?.name ?? null };
    const wrong =
      before.status === 'retired'
        ? `${name} is retired; a name is never used again`
        : differences(is, place).length > 0 || before.grant !== null
          ? `where ${name} holds never changes: declare a rule with another name`
          : null;
    if (wrong !== null) {
      problems.push({ file: manifest.file, line: manifest.line, message: wrong });
      return [];
    }
    const changes = differences({ ...before }, wanted);
    if (changes.length === 0) return [];
    const { columns, names, detectors } = wanted.match;
    const body = { columns, names, detectors, transform: wanted.transform, probes: wanted.probes, reason };
    const step = { operation: 'mask.update', ref: before.id, body } as const;
    return [{ ...base, verb: 'update', changes, step, declares: { kind: 'mask', id: before.id } }];
  },
};
