import { PosternError } from '../core/errors.ts';
import type { Actor } from '../core/record.ts';
import type { ChangeLog } from '../store/changes.ts';
import type { Binding } from '../store/entities.ts';
import { isRegion } from './aws-request.ts';
import type { DetailsOf } from './binding-kinds.ts';
import { newBinding } from './bindings.ts';
import { checkReason, checkText } from './input.ts';
import { KUBERNETES } from './presets/clouds.ts';

export interface AwsInput {
  readonly kind: 'aws';
  readonly account: string;
  readonly uniqueId: string;
  readonly session?: string | undefined;
  readonly region: string;
  readonly audience: string;
}

export interface KubernetesInput {
  readonly kind: 'kubernetes';
  readonly cluster: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly uid: string;
  readonly audience: string;
}

/** Bindings of principals to identities that their platform is asked about each time: AWS, Kubernetes. */
export class Platforms {
  readonly #changes: ChangeLog;
  readonly #clusters: readonly string[];

  /** @param clusters names of those that the operator configured */
  constructor(changes: ChangeLog, clusters: readonly string[]) {
    this.#changes = changes;
    this.#clusters = clusters;
  }

  /**
   * Binds a principal to an identity of a platform from now on.
   *
   * @throws PosternError POSTERN_INVALID; POSTERN_CONFLICT where it is bound to another principal
   */
  async bind(
    actor: Actor,
    principal: string,
    input: AwsInput | KubernetesInput,
    reason: string | undefined,
  ): Promise<Binding> {
    const details = input.kind === 'aws' ? checkAws(input) : checkKubernetes(input, this.#clusters);
    const why = reason === undefined ? undefined : checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const after = await newBinding(db, principal, details);
      const change = { type: 'binding.created', entity: 'binding', before: null, after } as const;
      return { changes: [{ ...change, principal: after.principal, reason: why }], result: after };
    });
  }
}

function form(value: string, pattern: RegExp, what: string, hint: string): string {
  if (pattern.test(value)) return value;
  throw new PosternError('POSTERN_INVALID', `That is no ${what}.`, hint);
}

function checkAws({ account, uniqueId, session, region, audience }: AwsInput): DetailsOf<'aws'> {
  if (!isRegion(region))
    throw new PosternError(
      'POSTERN_INVALID',
      'That is no region of AWS with an STS.',
      'Write it like eu-central-1.',
    );
  return {
    kind: 'aws',
    account: form(account, /^\d{12}$/, 'AWS account', 'It has 12 digits.'),
    uniqueId: form(
      uniqueId,
      /^A(ROA|IDA)[A-Z0-9]{8,124}$/,
      'unique id of a role or user',
      'It begins with AROA or AIDA: aws iam get-role --role-name NAME --query Role.RoleId. A name can be given again.',
    ),
    session:
      session === undefined
        ? null
        : form(session, /^[\w+=,.@-]{2,64}$/, 'name of a session', 'Of an instance, it is its id.'),
    region,
    audience: checkAudience(audience),
  };
}

const LABEL = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

function checkKubernetes(input: KubernetesInput, clusters: readonly string[]): DetailsOf<'kubernetes'> {
  const { cluster } = input;
  if (!clusters.includes(cluster))
    throw new PosternError(
      'POSTERN_INVALID',
      `No cluster ${JSON.stringify(cluster.slice(0, 100))} is configured.`,
      'The operator names clusters in the configuration of postern serve (kubernetes).',
    );
  return {
    kind: 'kubernetes',
    cluster,
    namespace: form(input.namespace, LABEL, 'namespace', 'It has no wildcards.'),
    serviceAccount: form(input.serviceAccount, LABEL, 'service account', 'It has no wildcards.'),
    uid: form(
      input.uid,
      /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
      'uid of a service account',
      "kubectl get serviceaccount NAME -o jsonpath='{.metadata.uid}'. A name can be given again.",
    ),
    audience: checkAudience(input.audience, KUBERNETES.sharedAudiences),
  };
}

/** As with tokens: exactly one. */
function checkAudience(text: string, shared: RegExp | null = null): string {
  const audience = checkText(text, 'audience', 500);
  if (shared?.test(audience))
    throw new PosternError(
      'POSTERN_INVALID',
      `The audience ${audience} is not this Postern's alone: others receive such tokens and could show them here.`,
      'Have the token made for an audience of this Postern, such as its address.',
    );
  if (!audience.includes('*')) return audience;
  throw new PosternError('POSTERN_INVALID', 'An audience has no wildcard.', 'Give the exact value.');
}
