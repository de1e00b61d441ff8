/** The changes that can be rehearsed, as the API takes them: each with the body of its route, and what it does. */
import type { TSchema } from 'typebox';
import { Value } from 'typebox/value';
import type { NewMask } from '../access/masks.ts';
import type { Rehearsed } from '../access/rehearsal.ts';
import type { NewResource } from '../access/resources.ts';
import { PosternError } from '../core/errors.ts';
import type { Actor } from '../core/record.ts';
import type { CertificateInput, SpiffeInput } from '../identity/possession.ts';
import type { NewPrincipal } from '../identity/principals.ts';
import { BindingBody } from './routes/bindings.ts';
import { MaskBody, MaskUpdateBody } from './routes/masks.ts';
import { PolicyBody } from './routes/policies.ts';
import { CertificateBody, SpiffeBody } from './routes/possession.ts';
import {
  PrincipalBody,
  PrincipalUpdateBody,
  ReasonBody,
  ResourceBody,
  ResourceUpdateBody,
} from './schemas.ts';

interface Rehearsable {
  readonly body: TSchema;
  /** `body` has been checked against its schema. */
  readonly run: (on: Rehearsed, actor: Actor, ref: string, body: never) => Promise<{ readonly id: string }>;
}

interface Reasoned {
  readonly reason: string;
}

export const REHEARSABLE = {
  'principal.create': {
    body: PrincipalBody,
    run: (on, actor, _ref, body: NewPrincipal) => on.principals.create(actor, body),
  },
  'principal.update': {
    body: PrincipalUpdateBody,
    run: (on, actor, ref, { reason, ...change }: Reasoned) =>
      on.principals.update(actor, ref, change, reason),
  },
  'principal.retire': {
    body: ReasonBody,
    run: (on, actor, ref, { reason }: Reasoned) => on.principals.retire(actor, ref, reason),
  },
  'binding.create': {
    body: BindingBody,
    run: (on, actor, principal, body: Omit<Parameters<Rehearsed['bindings']['create']>[1], 'principal'>) =>
      on.bindings.create(actor, { ...body, kind: 'oidc', principal }),
  },
  'binding.spiffe': {
    body: SpiffeBody,
    run: (on, actor, principal, { reason, ...input }: Omit<SpiffeInput, 'kind'> & Partial<Reasoned>) =>
      on.possession.bind(actor, principal, { kind: 'spiffe', ...input }, reason),
  },
  'binding.certificate': {
    body: CertificateBody,
    run: (on, actor, principal, { reason, ...input }: Omit<CertificateInput, 'kind'> & Partial<Reasoned>) =>
      on.possession.bind(actor, principal, { kind: 'certificate', ...input }, reason),
  },
  'binding.remove': {
    body: ReasonBody,
    run: (on, actor, ref, { reason }: Reasoned) => on.bindings.remove(actor, ref, reason),
  },
  'resource.create': {
    body: ResourceBody,
    run: (on, actor, _ref, body: NewResource) => on.resources.create(actor, body),
  },
  'resource.update': {
    body: ResourceUpdateBody,
    run: (on, actor, ref, { reason, ...change }: Reasoned) => on.resources.update(actor, ref, change, reason),
  },
  'resource.retire': {
    body: ReasonBody,
    run: (on, actor, ref, { reason }: Reasoned) => on.resources.retire(actor, ref, reason),
  },
  'mask.create': {
    body: MaskBody,
    run: (on, actor, _ref, body: NewMask) => on.masks.create(actor, body),
  },
  'mask.update': {
    body: MaskUpdateBody,
    run: (on, actor, ref, { reason, ...change }: Reasoned) => on.masks.update(actor, ref, change, reason),
  },
  'mask.retire': {
    body: ReasonBody,
    run: (on, actor, ref, { reason }: Reasoned) => on.masks.retire(actor, ref, reason),
  },
  'policy.put': {
    body: PolicyBody,
    run: (on, actor, name, { text, reason }: Reasoned & { readonly text: string }) =>
      on.policies.put(actor, name, text, reason),
  },
  'policy.retire': {
    body: ReasonBody,
    run: (on, actor, ref, { reason }: Reasoned) => on.policies.retire(actor, ref, reason),
  },
} as const satisfies Record<string, Rehearsable>;

export interface RehearsalStep {
  readonly operation: keyof typeof REHEARSABLE;
  /** What it is done to; of a new binding, its principal. */
  readonly ref?: string | undefined;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Null where it would be done; otherwise why not. */
export type Outcome = null | {
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
};

/** Tries one step out, with those before it done. */
export async function rehearseStep(on: Rehearsed, actor: Actor, step: RehearsalStep): Promise<Outcome> {
  const { body, run }: Rehearsable = REHEARSABLE[step.operation];
  const [wrong] = Value.Errors(body, step.body);
  if (wrong !== undefined) {
    const where = wrong.instancePath.slice(1).replaceAll('/', '.');
    const what = wrong.message === 'schema is false' ? 'is not known' : wrong.message;
    const message = where === '' ? `It ${what}.` : `${where} ${what}.`;
    return { code: 'POSTERN_INVALID', message, hint: undefined };
  }
  try {
    await run(on, actor, step.ref ?? '', step.body as never);
    return null;
  } catch (error) {
    if (error instanceof PosternError) {
      return { code: error.code, message: error.message, hint: error.hint };
    }
    throw error;
  }
}
