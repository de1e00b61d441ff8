import type {
  ChangeRecord,
  Delegator,
  Ref,
  SessionClosed,
  SessionOpened,
  SessionRefused,
} from '../core/record.ts';
import type { LeafRecord } from '../ledger/leaf.ts';
import { csvLine } from './csv.ts';
import { type ErasureMember, erasureOf } from './erasures.ts';
import type { Population } from './format.ts';
import { ActiveHolds, type HoldBreach } from './legal-holds.ts';
import { type LossMember, lossesOf } from './losses.ts';
import { type RetentionMember, retentionOf } from './retention-rules.ts';

type State = Readonly<Record<string, unknown>>;

/** One thing with the leaves that made it and that changed it last. */
export interface Member {
  readonly leaf: number;
  readonly lastLeaf: number;
  /** Who made the last change, and when. */
  readonly lastActor: Ref;
  readonly lastTime: string;
  readonly createdTime: string;
  readonly state: State;
}

export interface SessionMember {
  readonly leaf: number;
  readonly closedLeaf: number | null;
  readonly id: string;
  readonly status: 'open' | 'closed' | 'refused';
  readonly principal: Ref | null;
  readonly resource: Ref | null;
  readonly source: string;
  readonly openedAt: string;
  readonly closedAt: string | null;
  readonly credential: string | null;
  /** What told the token or certificate that opened it; null where it was opened by something else. */
  readonly proof: object | null;
  readonly grants: readonly string[];
  readonly database: string | null;
  readonly upstreamUser: string | null;
  /** Null for one that was refused, and for those of before there was a choice. */
  readonly upstreamIdentity: 'ephemeral' | 'fixed' | null;
  readonly client: string | null;
  readonly tls: object | null;
  readonly reason: string | null;
  /** On whose behalf it was, the origin first. */
  readonly delegation: readonly Delegator[];
  readonly commands: number | null;
  readonly denied: number | null;
}

const ENTITY = {
  person: 'persons',
  principal: 'principals',
  resource: 'resources',
  grant: 'grants',
  credential: 'credentials',
  delegation: 'delegations',
  binding: 'bindings',
  trust: 'trust',
  mask: 'masks',
  notice: 'notices',
  legal_hold: 'legal_holds',
  authenticator: 'authenticators',
  identity_provider: 'identity_providers',
  directory: 'directories',
  group: 'groups',
  policy: 'policies',
  request: 'requests',
  review: 'reviews',
  review_item: 'review_items',
} as const;

const COLUMNS: Record<Population, readonly string[]> = {
  persons: ['leaf', 'lastLeaf', 'id', 'name', 'email', 'roles', 'status', 'directory', 'createdAt'],
  principals: [
    ...['leaf', 'lastLeaf', 'id', 'name', 'kind', 'status', 'owner', 'backupOwner', 'purpose', 'environment'],
    ...['reviewIntervalDays', 'expiresAt', 'tags', 'sponsor', 'rehomeBy', 'activeSince', 'lastUsedAt'],
    ...['statusReason', 'createdAt'],
  ],
  resources: [
    ...['leaf', 'lastLeaf', 'id', 'name', 'protocol', 'host', 'port', 'database', 'environment'],
    ...['classification', 'durability', 'catalogAccess', 'resultDigest', 'owner', 'status', 'createdAt'],
  ],
  grants: [
    ...[
      'leaf',
      'lastLeaf',
      'id',
      'principal',
      'resource',
      'scope',
      'conditions',
      'start',
      'end',
      'status',
      'endReason',
    ],
    ...[
      'endedAt',
      'kind',
      'approvers',
      'rule',
      'request',
      'reviewBy',
      'ticket',
      'justification',
      'createdAt',
    ],
  ],
  credentials: [
    ...[
      'leaf',
      'lastLeaf',
      'id',
      'principal',
      'grant',
      'resource',
      'kind',
      'certificateSha256',
      'confirmation',
      'expiresAt',
      'status',
      'endReason',
      'endedAt',
    ],
    ...['createdAt', 'exchange', 'delegation'],
  ],
  delegations: [
    ...[
      'leaf',
      'lastLeaf',
      'id',
      'subject',
      'chain',
      'actor',
      'credential',
      'expiresAt',
      'status',
      'endReason',
    ],
    ...['endedAt', 'createdAt'],
  ],
  bindings: [
    ...['leaf', 'lastLeaf', 'id', 'principal', 'kind', 'details', 'status', 'endReason', 'endedAt'],
    'createdAt',
  ],
  trust: [
    ...[
      'leaf',
      'lastLeaf',
      'id',
      'kind',
      'name',
      'url',
      'keys',
      'status',
      'endReason',
      'endedAt',
      'createdAt',
    ],
  ],
  masks: [
    ...['leaf', 'lastLeaf', 'id', 'name', 'revision', 'resource', 'principal', 'grant', 'match', 'transform'],
    ...['probes', 'status', 'statusReason', 'createdAt'],
  ],
  notices: [
    ...['leaf', 'lastLeaf', 'id', 'principal', 'kind', 'to', 'text', 'effectiveAt', 'status', 'endReason'],
    ...['endedAt', 'createdAt'],
  ],
  sessions: [
    ...['leaf', 'closedLeaf', 'id', 'status', 'principal', 'resource', 'source', 'openedAt', 'closedAt'],
    ...['credential', 'grants', 'database', 'upstreamUser', 'upstreamIdentity', 'client', 'reason'],
    ...['commands', 'denied', 'delegation', 'proof'],
  ],
  erasures: [
    ...['leaf', 'id', 'time', 'by', 'principal', 'day', 'kinds', 'payloads', 'record', 'cause', 'reason'],
    'commitments',
  ],
  legal_holds: [
    ...['leaf', 'lastLeaf', 'id', 'principal', 'reason', 'placedBy', 'status', 'endReason', 'endedAt'],
    'createdAt',
  ],
  retention: ['leaf', 'id', 'time', 'by', 'statements', 'parameters', 'classifications'],
  authenticators: [
    ...['leaf', 'lastLeaf', 'id', 'person', 'kind', 'label', 'provider', 'issuer', 'subject', 'credentialId'],
    ...['rpId', 'backedUp', 'status', 'endReason', 'endedAt', 'createdAt'],
  ],
  identity_providers: [
    ...['leaf', 'lastLeaf', 'id', 'name', 'issuer', 'clientId', 'domains', 'groups', 'creates', 'status'],
    'createdAt',
  ],
  directories: ['leaf', 'lastLeaf', 'id', 'name', 'groups', 'tokenExpiresAt', 'status', 'createdAt'],
  groups: ['leaf', 'lastLeaf', 'id', 'name', 'directory', 'externalId', 'members', 'status', 'createdAt'],
  policies: ['leaf', 'lastLeaf', 'id', 'name', 'revision', 'text', 'status', 'statusReason', 'createdAt'],
  reviews: [
    ...[
      'leaf',
      'lastLeaf',
      'id',
      'name',
      'filter',
      'reviewers',
      'rehearsal',
      'schedule',
      'dueAt',
      'overdueAt',
    ],
    ...['graceSeconds', 'unusedDays', 'status', 'closeReason', 'closedAt', 'createdAt'],
  ],
  review_items: [
    ...[
      'leaf',
      'lastLeaf',
      'id',
      'review',
      'principal',
      'grant',
      'resource',
      'reviewer',
      'status',
      'decision',
    ],
    ...['effect', 'endedAt', 'createdAt'],
  ],
  requests: [
    ...[
      'leaf',
      'lastLeaf',
      'id',
      'principal',
      'resource',
      'scope',
      'conditions',
      'seconds',
      'start',
      'ticket',
    ],
    ...['justification', 'emergency', 'requester', 'source', 'rule', 'needs', 'approvals', 'status'],
    ...['statusReason', 'grant', 'expiresAt', 'createdAt'],
  ],
};

const COMMANDS: ReadonlySet<unknown> = new Set(['command.intent', 'command.outcome', 'command.denied']);

/** Whether {@link Populations.take} may do anything with a record: most records of a log are commands, which change nothing. */
export function mayChange(record: LeafRecord): boolean {
  return !COMMANDS.has(record.type) || record.change !== undefined;
}

/** Folds change and session records, in the order of the leaves, into what exists and who answers for it. */
export class Populations {
  readonly #members: Record<keyof typeof ENTITY, Map<string, Member>> = {
    person: new Map(),
    principal: new Map(),
    resource: new Map(),
    grant: new Map(),
    credential: new Map(),
    delegation: new Map(),
    binding: new Map(),
    trust: new Map(),
    mask: new Map(),
    notice: new Map(),
    legal_hold: new Map(),
    authenticator: new Map(),
    identity_provider: new Map(),
    directory: new Map(),
    group: new Map(),
    policy: new Map(),
    request: new Map(),
    review: new Map(),
    review_item: new Map(),
  };
  readonly #sessions = new Map<string, SessionMember>();
  readonly #uses = new Map<string, string>();
  #unusedDays: number | null = null;
  readonly #erasures: ErasureMember[] = [];
  readonly #retention: RetentionMember[] = [];
  readonly #active = new ActiveHolds();
  readonly #breaches: HoldBreach[] = [];
  readonly #losses: LossMember[] = [];
  #version = 0;

  /** Another one after each change of anything but sessions. */
  get version(): number {
    return this.#version;
  }

  /** Takes one leaf. Records that change nothing are passed over. */
  take(leaf: number, record: LeafRecord): void {
    if (!mayChange(record)) return;
    if (record.type.startsWith('session.')) {
      this.#takeSession(leaf, record);
      return;
    }
    this.#version += 1;
    if (isChange(record)) {
      const rule = retentionOf(leaf, record);
      if (rule !== null) this.#retention.push(rule);
      else this.#takeChange(leaf, record);
    } else {
      this.#losses.push(...lossesOf(leaf, record));
      const erasure = erasureOf(leaf, record);
      if (erasure === null) return;
      this.#erasures.push(erasure);
      const hold = this.#active.on(erasure.principal);
      if (hold !== undefined) this.#breaches.push({ leaf, erasure: erasure.id, hold });
    }
  }

  /** Texts that were destroyed, in the order of the log. */
  get erasures(): readonly ErasureMember[] {
    return this.#erasures;
  }

  /** Erasures of texts that a legal hold was on. */
  get breaches(): readonly HoldBreach[] {
    return this.#breaches;
  }

  /** Journals of which something is not in the log, as the log itself says. */
  get losses(): readonly LossMember[] {
    return this.#losses;
  }

  /** What was said of how long texts are kept, in the order of the log; the last is what holds. */
  get retention(): readonly RetentionMember[] {
    return this.#retention;
  }

  grant(id: string): Member | undefined {
    return this.#members.grant.get(id);
  }

  session(id: string): SessionMember | undefined {
    return this.#sessions.get(id);
  }

  /** Who is accountable for a principal as of the last leaf taken. */
  ownerOf(principalId: string): Ref | null {
    const owner = this.#members.principal.get(principalId)?.state.owner;
    return isRef(owner) ? { id: owner.id, name: owner.name } : null;
  }

  /** When a principal last opened or closed a session, or got a credential by itself; null where it never did. */
  lastUseOf(principalId: string): string | null {
    return this.#uses.get(principalId) ?? null;
  }

  /** After how many days without use principals are suspended, as was said last; null where they are not. */
  get unusedDays(): number | null {
    return this.#unusedDays;
  }

  members(entity: keyof typeof ENTITY): ReadonlyMap<string, Member> {
    return this.#members[entity];
  }

  /** Rows of one population, in the order in which the log first named them. */
  *rows(population: Population): Generator<State> {
    if (population === 'sessions') {
      for (const session of this.#sessions.values()) yield { ...session };
      return;
    }
    if (population === 'erasures' || population === 'retention') {
      for (const row of population === 'erasures' ? this.#erasures : this.#retention) yield { ...row };
      return;
    }
    const entity = Object.entries(ENTITY).find(([, name]) => name === population)?.[0] as keyof typeof ENTITY;
    for (const [id, { leaf, lastLeaf, state }] of this.#members[entity]) {
      const used = entity === 'principal' ? { lastUsedAt: this.lastUseOf(id) } : {};
      yield { leaf, lastLeaf, ...state, ...used, id };
    }
  }

  #takeChange(leaf: number, record: LeafRecord & ChangeRecord): void {
    const { entity, id, after } = record.change;
    if (record.type === 'credential.issued' && record.actor.kind === 'principal') this.#use(record);
    if (entity === 'lifecycle') {
      const { unusedDays } = after as State;
      this.#unusedDays = typeof unusedDays === 'number' ? unusedDays : null;
    }
    if (!Object.hasOwn(this.#members, entity)) return;
    const members = this.#members[entity as keyof typeof ENTITY];
    const before = members.get(id);
    if (entity === 'legal_hold') this.#active.take(id, after as State);
    members.set(id, {
      leaf: before?.leaf ?? leaf,
      lastLeaf: leaf,
      lastActor: { id: record.actor.id, name: record.actor.name },
      lastTime: record.time,
      createdTime: before?.createdTime ?? record.time,
      state: after as State,
    });
  }

  #use({ principal, time }: LeafRecord): void {
    if (principal === undefined) return;
    const before = this.#uses.get(principal.id);
    if (before === undefined || before < time) this.#uses.set(principal.id, time);
  }

  #takeSession(leaf: number, record: LeafRecord): void {
    const session = record as unknown as SessionOpened | SessionClosed | SessionRefused;
    if (typeof session.session !== 'string') return;
    if (session.type !== 'session.refused') this.#use(record);
    if (session.type === 'session.closed') {
      const open = this.#sessions.get(session.session);
      if (open === undefined) return;
      const { reason = null, commands = null, denied = null } = session;
      const closed = {
        status: 'closed',
        closedLeaf: leaf,
        closedAt: record.time,
        reason,
        commands,
        denied,
      } as const;
      this.#sessions.set(session.session, { ...open, ...closed });
      return;
    }
    const opened = session.type === 'session.opened' ? session : null;
    this.#sessions.set(session.session, {
      leaf,
      closedLeaf: null,
      id: session.session,
      status: opened === null ? 'refused' : 'open',
      principal: record.principal ?? null,
      resource: session.resource ?? null,
      source: session.source ?? '',
      openedAt: record.time,
      closedAt: null,
      credential: opened?.credential ?? null,
      proof: opened?.proof ?? null,
      grants: opened?.grants ?? [],
      database: opened?.database ?? null,
      upstreamUser: opened?.upstreamUser ?? null,
      upstreamIdentity: opened?.upstreamIdentity ?? null,
      client: opened?.client ?? null,
      tls: opened?.tls ?? null,
      reason: session.type === 'session.refused' ? `${session.code}: ${session.reason}` : null,
      delegation: session.delegation ?? [],
      commands: null,
      denied: null,
    });
  }
}

/** First line of a population's CSV. */
export function populationHeader(population: Population): string {
  return csvLine(COLUMNS[population]);
}

/** A row of a population as a line of CSV. */
export function populationLine(population: Population, row: State): string {
  const authority = row.authority as
    | { approvers?: unknown; ticket?: unknown; justification?: unknown }
    | undefined;
  const flat: State = authority === undefined ? row : { ...row, ...authority };
  if (population !== 'bindings') return csvLine(COLUMNS[population].map((column) => flat[column]));
  const own = new Set(COLUMNS.bindings);
  const details = Object.fromEntries(Object.entries(row).filter(([name]) => !own.has(name)));
  return csvLine(COLUMNS.bindings.map((column) => (column === 'details' ? details : row[column])));
}

function isChange(record: LeafRecord): record is LeafRecord & ChangeRecord {
  const change = record.change as Partial<ChangeRecord['change']> | undefined;
  return (
    typeof change === 'object' &&
    change !== null &&
    typeof change.id === 'string' &&
    typeof change.after === 'object' &&
    change.after !== null
  );
}

function isRef(value: unknown): value is Ref {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Ref).id === 'string' &&
    typeof (value as Ref).name === 'string'
  );
}
