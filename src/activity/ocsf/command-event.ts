import type { Delegator, Ref } from '../../core/record.ts';
import type { GrantContext, OcsfContext, SessionContext } from './context.ts';
import {
  type Activity,
  ALLOWED,
  actorOf,
  BLOCKED,
  CLASSES,
  endpointOf,
  FAILURE,
  headOf,
  millis,
  NOBODY,
  type OcsfEvent,
  SUCCESS,
} from './shapes.ts';

/** A command as its event tells it: an intent with or without its outcome, or a denial. */
export interface CommandFacts {
  /** The record that the event is of: the intent or denial, or the outcome. */
  readonly record: {
    readonly id: string;
    readonly time: string;
    readonly leaf: number;
    readonly type: string;
  };
  /** Id of the intent, where the record is its outcome. */
  readonly intent?: string;
  readonly principal: Ref | null;
  readonly owner: Ref | null;
  readonly session: string;
  readonly resource: Ref | null;
  readonly protocol: string;
  readonly grant: string | null;
  readonly verbs: readonly string[];
  readonly objects: readonly string[];
  readonly fingerprint: string | null;
  readonly refused: { readonly code: string; readonly reason: string } | null;
  /** The rule that allowed it. */
  readonly rule: string | null;
  readonly delegation: readonly Delegator[];
  readonly outcome: {
    readonly leaf: number;
    readonly status: string;
    readonly code: string;
    readonly rows: number;
    readonly bytes: number;
    readonly durationUs: number;
    readonly masked: readonly unknown[];
  } | null;
  /** The statement as it may be shown; null where it may not, or is not there. */
  readonly statement: string | null;
}

/** Verbs by what they do to data, the gravest first. */
const ACTIVITIES: readonly (readonly [Activity, ReadonlySet<string>])[] = [
  [{ id: 7, name: 'Delete' }, new Set(['delete', 'truncate', 'drop'])],
  [{ id: 2, name: 'Update' }, new Set(['update', 'merge', 'alter'])],
  [{ id: 5, name: 'Write' }, new Set(['insert', 'copy'])],
  [{ id: 6, name: 'Create' }, new Set(['create'])],
  [{ id: 4, name: 'Query' }, new Set(['select'])],
];

/** The event of a command. */
export function commandEvent(facts: CommandFacts, context: OcsfContext): OcsfEvent {
  const { record, principal, resource, refused } = facts;
  const session = context.session(facts.session);
  const grant = facts.grant === null ? undefined : context.grant(facts.grant);
  const isSql = facts.protocol === 'postgres';
  const of = isSql ? CLASSES.datastore : CLASSES.api;
  const upstream = resource === null ? undefined : context.resource(resource.id);
  const user = session?.credential == null ? {} : { credential_uid: session.credential };
  const seen = {
    uid: facts.session,
    ...(session && { created_time: millis(session.openedAt) }),
    issuer: 'Postern',
  };
  const actor =
    principal === null
      ? { user: NOBODY, session: seen }
      : actorOf({ kind: 'principal', ...principal }, { user, session: seen });
  return {
    ...headOf({
      ...record,
      of,
      activity: isSql ? activityOf(facts.verbs) : { id: 99, name: facts.verbs.join(', ') || 'Other' },
      correlation: facts.session,
      original: facts.intent,
      refused: refused !== null,
    }),
    ...statusOf(facts),
    actor: { ...actor, ...authorizationsOf(facts) },
    src_endpoint: endpointOf(session?.source),
    ...(resource !== null && {
      dst_endpoint: {
        ...(upstream && endpointOf(`${upstream.host}:${upstream.port}`)),
        svc_name: resource.name,
        uid: resource.id,
      },
    }),
    ...(isSql ? storeOf(facts, session) : apiOf(facts)),
    ...(refused === null ? ALLOWED : BLOCKED),
    ...(facts.grant !== null && {
      policy: { uid: facts.grant, ...(facts.rule !== null && { desc: facts.rule }) },
    }),
    enrichments: enrichmentsOf(facts, grant, upstream),
    unmapped: unmappedOf(facts, session),
  };
}

function activityOf(verbs: readonly string[]): Activity {
  if (verbs.length === 0) return { id: 0, name: 'Unknown' };
  for (const [activity, words] of ACTIVITIES) if (verbs.some((verb) => words.has(verb))) return activity;
  return { id: 99, name: verbs.join(', ') || 'Other' };
}

function statusOf({ refused, outcome }: CommandFacts): object {
  if (refused !== null) return { ...FAILURE, status_code: refused.code, status_detail: refused.reason };
  if (outcome === null)
    return { status_id: 0, status: 'Unknown', status_detail: 'no outcome is recorded yet' };
  const { status, code, durationUs } = outcome;
  const known = status === 'ok' ? SUCCESS : status === 'error' ? FAILURE : { status_id: 99, status };
  return { ...known, status_code: code, duration: Math.round(durationUs / 1000) };
}

function authorizationsOf({ refused, grant }: CommandFacts): object {
  const policy = grant === null ? {} : { policy: { uid: grant } };
  return { authorizations: [{ decision: refused === null ? 'allow' : 'deny', ...policy }] };
}

/** What of a database it was on. The tables go by their names, of which there may be several. */
function storeOf(
  { objects, statement, fingerprint, resource }: CommandFacts,
  session?: SessionContext,
): object {
  const [first] = objects;
  return {
    database: { name: session?.database ?? resource?.name ?? 'unknown', type_id: 1, type: 'Relational' },
    ...(first !== undefined && objects.length === 1 && { table: { name: first } }),
    ...(statement !== null && {
      query_info: { query_string: statement, ...(fingerprint !== null && { uid: fingerprint }) },
    }),
  };
}

function apiOf({ verbs, objects, protocol, record, intent }: CommandFacts): object {
  return {
    api: {
      operation: verbs.join(', ') || 'unknown',
      service: { name: protocol },
      request: { uid: intent ?? record.id },
    },
    ...(objects.length > 0 && { resources: objects.map((name) => ({ name })) }),
  };
}

function enrichmentsOf(
  { principal, owner, grant, resource }: CommandFacts,
  granted: GrantContext | undefined,
  upstream: { readonly environment: string | null; readonly classification: string | null } | undefined,
): readonly object[] {
  const all: object[] = [];
  if (principal !== null && owner !== null) {
    all.push({ name: 'actor.user.uid', value: principal.id, type: 'owner', data: { owner } });
  }
  if (grant !== null && granted !== undefined) {
    all.push({ name: 'policy.uid', value: grant, type: 'grant', data: grantData(granted) });
  }
  if (resource !== null && upstream !== undefined) {
    const { environment, classification } = upstream;
    all.push({
      name: 'dst_endpoint.uid',
      value: resource.id,
      type: 'resource',
      data: { environment, classification },
    });
  }
  return all;
}

/** On whose authority a grant is, as an enrichment has it. */
export function grantData({ scope, end, authority }: GrantContext): object {
  const { kind, approvers, ticket, justification, request, rule } = authority;
  return {
    scope,
    end,
    kind,
    approvers,
    ticket,
    justification,
    ...(request !== undefined && { request }),
    ...(rule !== undefined && { rule }),
  };
}

function unmappedOf(facts: CommandFacts, session?: SessionContext): object {
  const { outcome, delegation } = facts;
  return {
    verbs: facts.verbs,
    objects: facts.objects,
    fingerprint: facts.fingerprint,
    protocol: facts.protocol,
    ...(outcome !== null && {
      outcome_leaf: outcome.leaf,
      rows: outcome.rows,
      bytes: outcome.bytes,
      duration_us: outcome.durationUs,
    }),
    ...(outcome !== null && outcome.masked.length > 0 && { masked: outcome.masked }),
    ...(session?.upstreamUser != null && { upstream_user: session.upstreamUser }),
    ...(session?.client != null && { client: session.client }),
    ...(delegation.length > 0 && { delegation }),
  };
}
