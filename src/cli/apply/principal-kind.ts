import { Type } from 'typebox';
import { REVIEW_INTERVAL_DEFAULT } from '../../identity/principals.ts';
import { PRINCIPAL_KINDS } from '../../store/entities.ts';
import type { Principal } from '../support/api-types.ts';
import { type Action, differences } from './action.ts';
import { planBindings } from './bindings.ts';
import type { Kind, Planning } from './kind.ts';
import type { Manifest } from './manifests.ts';

const text = (maxLength: number) => Type.String({ minLength: 1, maxLength });
const closed = { additionalProperties: false };
const email = Type.String({ pattern: '^[^@\\s]+@[^@\\s]+$', maxLength: 254 });
const tagName = Type.String({ pattern: '^[a-z0-9][a-z0-9._/-]{0,62}$' });

export interface PrincipalSpec {
  readonly kind: string;
  readonly owner: string;
  readonly backupOwner: string;
  readonly purpose: string;
  readonly environment: string;
  readonly reviewIntervalDays?: number;
  readonly expiresAt?: string;
  readonly tags?: Readonly<Record<string, string>>;
  readonly sponsor?: string;
  readonly bindings?: readonly Readonly<Record<string, unknown>>[];
}

/** What is not said is as if it were the default: a file says all of it. */
export const principalKind: Kind = {
  name: 'Principal',
  declares: 'principal',
  spec: Type.Object(
    {
      kind: Type.Enum([...PRINCIPAL_KINDS]),
      owner: email,
      backupOwner: email,
      purpose: text(1000),
      environment: text(64),
      reviewIntervalDays: Type.Optional(Type.Integer({ minimum: 1, maximum: 366 })),
      expiresAt: Type.Optional(text(40)),
      tags: Type.Optional(Type.Record(tagName, text(200), { maxProperties: 32, ...closed })),
      sponsor: Type.Optional(text(200)),
      bindings: Type.Optional(Type.Array(Type.Record(Type.String(), Type.Unknown()), { maxItems: 16 })),
    },
    closed,
  ),
  plan: async (manifest, spec: PrincipalSpec, planning) => {
    const { bindings = [], ...fields } = spec;
    const before = planning.live.principals.get(manifest.name);
    const whole = {
      ...fields,
      reviewIntervalDays: fields.reviewIntervalDays ?? REVIEW_INTERVAL_DEFAULT,
      expiresAt: fields.expiresAt ?? null,
      tags: fields.tags ?? {},
      sponsor: fields.sponsor ?? null,
    };
    const own = planPrincipal({ name: manifest.name, before, spec: whole }, manifest, planning);
    const known = before === undefined ? [] : await planning.live.bindings(before.name);
    return [...own, ...planBindings(bindings, known, manifest, planning)];
  },
};

/** What is to be said of a principal; what is absent stays. */
export type WantedPrincipal = Partial<Omit<PrincipalSpec, 'bindings' | 'expiresAt' | 'sponsor'>> & {
  readonly expiresAt?: string | null;
  readonly sponsor?: string | null;
};

/** The changes that make one principal what is wanted. */
export function planPrincipal(
  { name, before, spec }: { name: string; before: Principal | undefined; spec: WantedPrincipal },
  manifest: Manifest,
  planning: Planning,
): Action[] {
  const base = { kind: 'Principal', name, manifest };
  if (before === undefined) {
    const { expiresAt, sponsor, ...rest } = spec;
    const body = { name, ...rest, ...(expiresAt && { expiresAt }), ...(sponsor && { sponsor }) };
    const step = { operation: 'principal.create', body } as const;
    return [
      {
        ...base,
        verb: 'create',
        changes: differences({}, spec),
        step,
        declares: { kind: 'principal', id: null },
      },
    ];
  }
  planning.kept.add(before.id);
  const problem = (message: string): Action[] => {
    planning.problems.push({ file: manifest.file, line: manifest.line, message });
    return [];
  };
  if (before.status === 'retired') return problem(`${name} is retired; a name is never used again`);
  if (spec.kind !== undefined && spec.kind !== before.kind) {
    return problem(`${name} is a ${before.kind}; what it is never changes`);
  }
  const { owner, backupOwner, ...rest } = before;
  const is = { ...rest, owner: owner.email, backupOwner: backupOwner?.email ?? null };
  const wanted = normalised(spec);
  const changes = differences(is, wanted);
  if (changes.length === 0) return [];
  const changed = Object.fromEntries(changes.map(({ field, after }) => [field, after]));
  const body = {
    ...changed,
    ...('tags' in changed && { tags: tagPatch(before.tags, spec.tags ?? {}) }),
    reason: planning.reason,
  };
  const step = { operation: 'principal.update', ref: before.id, body } as const;
  return [{ ...base, verb: 'update', changes, step, declares: { kind: 'principal', id: before.id } }];
}

/** As the server keeps it, so that the same said in other words is no change. */
function normalised(spec: WantedPrincipal): WantedPrincipal {
  const line = (value: string): string => value.trim().normalize('NFC');
  const { owner, backupOwner, purpose, environment, sponsor, expiresAt } = spec;
  const millis = Date.parse(expiresAt ?? '');
  return {
    ...spec,
    ...(owner !== undefined && { owner: owner.toLowerCase() }),
    ...(backupOwner !== undefined && { backupOwner: backupOwner.toLowerCase() }),
    ...(purpose !== undefined && { purpose: line(purpose) }),
    ...(environment !== undefined && { environment: line(environment) }),
    ...(typeof sponsor === 'string' && { sponsor: line(sponsor) }),
    ...(!Number.isNaN(millis) && { expiresAt: `${new Date(millis).toISOString().slice(0, -1)}000Z` }),
  };
}

const tagPatch = (
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
): Record<string, string | null> => ({
  ...Object.fromEntries(Object.keys(before).map((name) => [name, null])),
  ...after,
});
