/** What proves a principal, as its declaration says it: tokens of an OIDC issuer, a SPIFFE ID, a client certificate. */
import { type TSchema, Type } from 'typebox';
import type { RehearsalStep } from '../../api/rehearse.ts';
import type { Binding } from '../support/api-types.ts';
import { type Action, canonical, differences } from './action.ts';
import { type Planning, shapeProblems } from './kind.ts';
import type { Manifest } from './manifests.ts';

const text = (maxLength: number) => Type.String({ minLength: 1, maxLength });
const closed = { additionalProperties: false };
// Any name but those that mean something to JavaScript.
const claimName = Type.String({ pattern: '^(?!__)[\\s\\S]{1,200}$' });
const claims = Type.Record(claimName, text(500), { maxProperties: 16, ...closed });

type Spec = Readonly<Record<string, unknown>>;

interface Form {
  /** The field that only this form has; the last form is the one for all others. */
  readonly by: string;
  readonly kind: Binding['kind'];
  readonly spec: TSchema;
  readonly operation: RehearsalStep['operation'];
  readonly title: (spec: Spec) => string;
  /** What makes two of them the same. */
  readonly same: (binding: Spec) => object;
}

const FORMS: readonly Form[] = [
  {
    by: 'spiffeId',
    kind: 'spiffe',
    spec: Type.Object({ spiffeId: text(2048), audience: Type.Optional(text(500)) }, closed),
    operation: 'binding.spiffe',
    title: ({ spiffeId }) => String(spiffeId),
    same: ({ spiffeId, audience = null }) => ({ spiffeId, audience }),
  },
  {
    by: 'by',
    kind: 'certificate',
    spec: Type.Object(
      {
        trust: Type.Optional(text(255)),
        by: Type.Enum(['subject', 'uri', 'dns', 'email', 'certificate', 'public_key']),
        value: text(1000),
      },
      closed,
    ),
    operation: 'binding.certificate',
    title: ({ by, value }) => `certificates with ${String(by)} ${String(value)}`,
    same: ({ trust = null, by, value }) => ({
      trust: nameOf(trust),
      by,
      value: plain(String(by), String(value)),
    }),
  },
  {
    by: 'issuer',
    kind: 'oidc',
    spec: Type.Object(
      {
        issuer: text(500),
        audience: text(500),
        claims,
        contains: Type.Optional(claims),
        preset: Type.Optional(text(40)),
        reuse: Type.Optional(Type.Boolean()),
      },
      closed,
    ),
    operation: 'binding.create',
    title: ({ issuer }) => String(issuer),
    same: ({ issuer, audience, claims: all, contains = null, preset = null, reuse = false }) => ({
      ...{ issuer, audience, claims: all, contains, preset, reuse },
    }),
  },
];

const nameOf = (trust: unknown): unknown =>
  typeof trust === 'object' && trust !== null && 'name' in trust ? trust.name : trust;

/** Fingerprints are written with and without colons, in small letters and large; DNS names in either. */
const plain = (by: string, value: string): string =>
  by === 'dns'
    ? value.toLowerCase()
    : by === 'certificate' || by === 'public_key'
      ? value.replaceAll(':', '').toLowerCase()
      : value;

/**
 * The changes after which a principal has what is declared. What it has beyond that ends with `--prune`, where the set made it.
 *
 * @param known bindings of the principal that hold
 */
export function planBindings(
  specs: readonly Spec[],
  known: readonly Binding[],
  manifest: Manifest,
  planning: Planning,
): Action[] {
  return specs.flatMap((spec, n) => {
    const form = FORMS.find(({ by }) => Object.hasOwn(spec, by)) ?? (FORMS.at(-1) as Form);
    if (shapeProblems(form.spec, spec, ['bindings', String(n)], manifest, planning.problems)) return [];
    const wanted = canonical(form.same(spec));
    const found = known.find(
      (each) => each.kind === form.kind && canonical(form.same(each as unknown as Spec)) === wanted,
    );
    if (found !== undefined) {
      planning.kept.add(found.id);
      return [];
    }
    const body = { ...spec, reason: planning.reason };
    const action: Action = {
      verb: 'create',
      kind: 'Binding',
      name: `${manifest.name} to ${form.title(spec)}`,
      manifest,
      changes: differences({}, spec),
      step: { operation: form.operation, ref: manifest.name, body },
      declares: { kind: 'binding', id: null },
    };
    return [action];
  });
}
