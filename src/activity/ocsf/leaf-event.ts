import type { Actor, Authority, Delegator, Ref } from '../../core/record.ts';
import type { LeafRecord } from '../../ledger/leaf.ts';
import { grantData } from './command-event.ts';
import type { OcsfContext } from './context.ts';
import {
  type Activity,
  actorOf,
  BLOCKED,
  CLASSES,
  endpointOf,
  FAILURE,
  headOf,
  millis,
  NOBODY,
  type OcsfClass,
  type OcsfEvent,
  SUCCESS,
  userOf,
} from './shapes.ts';

type Kind = readonly [of: OcsfClass, activity: number, name: string];
type Change = {
  readonly entity: string;
  readonly id: string;
  readonly after: Readonly<Record<string, unknown>>;
};

const { account, authentication, entity, access } = CLASSES;

/** Records with a class or an activity of their own. All others are changes of an entity. */
const KINDS: Readonly<Record<string, Kind>> = {
  'session.opened': [authentication, 1, 'Logon'],
  'session.closed': [authentication, 2, 'Logoff'],
  'session.refused': [authentication, 1, 'Logon'],
  'credential.refused': [authentication, 1, 'Logon'],
  'person.login': [authentication, 1, 'Logon'],
  'person.login_refused': [authentication, 1, 'Logon'],
  'person.logout': [authentication, 2, 'Logoff'],
  'person.session_ended': [authentication, 2, 'Logoff'],
  'person.created': [account, 1, 'Create'],
  'person.enabled': [account, 2, 'Enable'],
  'person.disabled': [account, 5, 'Disable'],
  'person.updated': [account, 99, 'Update'],
  'person.invited': [account, 99, 'Invite'],
  'principal.created': [account, 1, 'Create'],
  'principal.resumed': [account, 2, 'Enable'],
  'principal.disabled': [account, 5, 'Disable'],
  'principal.retired': [account, 6, 'Delete'],
  'principal.suspended': [account, 9, 'Lock'],
  'principal.updated': [account, 99, 'Update'],
  'credential.issued': [account, 99, 'Issue Credential'],
  'credential.revoked': [account, 99, 'Revoke Credential'],
  'authenticator.added': [account, 10, 'MFA Factor Enable'],
  'authenticator.removed': [account, 11, 'MFA Factor Disable'],
  'recovery_codes.issued': [account, 99, 'Issue Recovery Codes'],
  'grant.activated': [access, 1, 'Assign Privileges'],
  'grant.expired': [access, 2, 'Revoke Privileges'],
  'grant.revoked': [access, 2, 'Revoke Privileges'],
  'grant.narrowed': [access, 2, 'Revoke Privileges'],
  'review.decided': [entity, 99, 'Certify'],
  'activity.reviewed': [entity, 99, 'Review'],
  'evidence.exported': [entity, 99, 'Export'],
};

/** What the last word of a type does to an entity. Any other is an update. */
const WORDS: Readonly<Record<string, Activity>> = {
  created: { id: 1, name: 'Create' },
  added: { id: 1, name: 'Create' },
  opened: { id: 1, name: 'Create' },
  placed: { id: 1, name: 'Create' },
  given: { id: 1, name: 'Create' },
  requested: { id: 1, name: 'Create' },
  removed: { id: 4, name: 'Delete' },
  retired: { id: 4, name: 'Delete' },
  erased: { id: 4, name: 'Delete' },
  released: { id: 4, name: 'Delete' },
  ended: { id: 4, name: 'Delete' },
};

/** Records of something that was not let in. */
const REFUSED: ReadonlySet<string> = new Set([
  'session.refused',
  'credential.refused',
  'person.login_refused',
]);
const REVOKED = {
  action_id: 2,
  action: 'Denied',
  disposition_id: 24,
  disposition: 'Access Revoked',
} as const;

/** What a record has in every event, and need not be repeated as not mapped. */
const MAPPED: ReadonlySet<string> = new Set(
  'v leaf id time type actor principal session resource source protocol reason code payloads'.split(' '),
);

/** The event of any record but those of commands (`commandEvent`). */
export function leafEvent(record: LeafRecord, context: OcsfContext): OcsfEvent {
  const [of, id, name] = KINDS[record.type] ?? entityKind(record.type);
  const refused = REFUSED.has(record.type);
  const change = record.change as Change | undefined;
  return {
    ...headOf({
      id: record.id,
      time: record.time,
      leaf: record.leaf,
      type: record.type,
      of,
      activity: { id, name },
      correlation: correlationOf(record, change),
      refused,
    }),
    ...(refused ? FAILURE : SUCCESS),
    ...(typeof record.code === 'string' && { status_code: record.code }),
    ...(typeof record.reason === 'string' && { status_detail: record.reason }),
    actor: actorOf(record.actor, sessionOf(record, context)),
    ...PARTS[of.uid]?.(record, change),
    ...(refused && BLOCKED),
    ...(record.type === 'grant.revoked' && REVOKED),
    ...enrichmentsOf(record, change, context),
    unmapped: unmappedOf(record),
  };
}

function entityKind(type: string): Kind {
  const { id, name } = WORDS[type.slice(type.lastIndexOf('.') + 1)] ?? { id: 3, name: 'Update' };
  return [entity, id, name];
}

/** A session, or the request or grant that several records are about. */
function correlationOf(record: LeafRecord, change: Change | undefined): string | undefined {
  const login = record.login as { readonly session?: string } | undefined;
  return typeof record.session === 'string' ? record.session : (login?.session ?? change?.id);
}

function sessionOf(record: LeafRecord, context: OcsfContext): { readonly session?: object } {
  if (typeof record.session !== 'string') return {};
  const known = context.session(record.session);
  return {
    session: {
      uid: record.session,
      ...(known && { created_time: millis(known.openedAt) }),
      issuer: 'Postern',
    },
  };
}

/** The attributes that a class asks for. */
const PARTS: Readonly<Record<number, (record: LeafRecord, change: Change | undefined) => object>> = {
  [authentication.uid]: authenticationOf,
  [account.uid]: (record, change) => ({ user: subjectOf(record, change) }),
  [access.uid]: accessOf,
  [entity.uid]: entityOf,
};

function authenticationOf(record: LeafRecord): object {
  const resource = record.resource as Ref | undefined;
  const login = (record.login ?? record.refused) as { readonly source?: string | null } | undefined;
  return {
    user: subjectOf(record, undefined),
    service: resource === undefined ? { name: 'Postern' } : { name: resource.name, uid: resource.id },
    src_endpoint: endpointOf((record.source ?? login?.source) as string | null | undefined),
    logon_type_id: 3,
    logon_type: 'Network',
    is_remote: true,
  };
}

/** Whom it was about. */
function subjectOf(record: LeafRecord, change: Change | undefined): object {
  if (record.principal !== undefined) return userOf(record.principal, 'principal');
  const person = (record.person ?? change?.after.person) as Ref | undefined;
  if (person !== undefined) return userOf(person, 'person');
  if (change?.entity === 'person') {
    const { name, email } = change.after;
    const address = typeof email === 'string' ? { email_addr: email } : {};
    return { ...userOf({ id: change.id, name: String(name) }, 'person'), ...address };
  }
  const { kind } = record.actor;
  return kind === 'person' || kind === 'principal' ? userOf(record.actor, kind) : NOBODY;
}

function accessOf(record: LeafRecord, change: Change | undefined): object {
  const resource = change?.after.resource as Ref | undefined;
  return {
    user: subjectOf(record, change),
    privileges: [String(change?.after.scope)],
    ...(resource && { resources: [{ uid: resource.id, name: resource.name }] }),
  };
}

function entityOf(record: LeafRecord, change: Change | undefined): object {
  const [family = 'record'] = record.type.split('.');
  const resource = record.resource as Ref | undefined;
  const sink = record.sink as Ref | undefined;
  const uid = change?.id ?? sink?.id ?? resource?.id ?? record.principal?.id ?? record.id;
  const name = change?.after.name ?? sink?.name;
  const requested = family === 'grant' || change?.entity === 'request';
  return {
    entity: {
      uid,
      ...(typeof name === 'string' && { name }),
      type: requested ? 'access-grant' : (change?.entity ?? family),
    },
    ...(typeof record.reason === 'string' && { comment: record.reason }),
  };
}

function enrichmentsOf(record: LeafRecord, change: Change | undefined, context: OcsfContext): object {
  const all: object[] = [];
  const { principal } = record;
  const owner = principal && context.owner(principal.id);
  if (principal !== undefined && owner !== undefined) {
    all.push({ name: 'user.uid', value: principal.id, type: 'owner', data: { owner } });
  }
  if (change?.entity === 'grant' && (change.after.authority as Authority | undefined) !== undefined) {
    const grant = context.grant(change.id);
    if (grant !== undefined)
      all.push({ name: 'grant', value: change.id, type: 'grant', data: grantData(grant) });
  }
  return all.length === 0 ? {} : { enrichments: all };
}

/** What else the record says. No record has a secret in it. */
function unmappedOf(record: LeafRecord): object {
  const rest = Object.entries(record).filter(([key]) => !MAPPED.has(key));
  return {
    actor_kind: (record.actor as Actor).kind,
    ...(Object.fromEntries(rest) as { delegation?: Delegator[] }),
  };
}
