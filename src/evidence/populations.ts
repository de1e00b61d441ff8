import type {
  ChangeRecord,
  Delegator,
  Ref,
  SessionClosed,
  SessionOpened,
  SessionRefused,
} from '../core/record.ts';
import type { LeafRecord } from '../ledger/leaf.ts';
import { Administrators } from './administrators.ts';
import { type ErasureMember, erasureOf } from './erasures.ts';
import type { Population } from './format.ts';
import { grantRights } from './grant-rights.ts';
import { ActiveHolds, type HoldBreach } from './legal-holds.ts';
import { LogHealth } from './log-health.ts';
import { type LossMember, lossesOf } from './losses.ts';
import { type ParameterSetMember, parameterSetOf } from './parameter-sets.ts';
import { type RetentionMember, retentionOf } from './retention-rules.ts';
import { SinkDeliveries } from './sink-deliveries.ts';

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
  log_review: 'log_reviews',
  alert: 'alerts',
  channel: 'channels',
  link: 'links',
  reconciliation: 'reconciliations',
  unmanaged: 'unmanaged',
  sink: 'sinks',
} as const;

/** Of what the changes make a population; null where it comes from something else than the changes of one entity. */
export function entityOf(population: string): string | null {
  return Object.entries(ENTITY).find(([, name]) => name === population)?.[0] ?? null;
}

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
    log_review: new Map(),
    alert: new Map(),
    channel: new Map(),
    link: new Map(),
    reconciliation: new Map(),
    unmanaged: new Map(),
    sink: new Map(),
  };
  readonly #sessions = new Map<string, SessionMember>();
  readonly #uses = new Map<string, string>();
  #unusedDays: number | null = null;
  readonly #erasures: ErasureMember[] = [];
  readonly #retention: RetentionMember[] = [];
  readonly #parameterSets: ParameterSetMember[] = [];
  readonly #active = new ActiveHolds();
  readonly #breaches: HoldBreach[] = [];
  readonly #losses: LossMember[] = [];
  readonly #administrators = new Administrators();
  readonly #health = new LogHealth();
  readonly #deliveries = new SinkDeliveries();
  /** By resource. */
  readonly #lastSessions = new Map<string, string>();
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
    this.#health.take(leaf, record);
    if (isChange(record)) {
      this.#administrators.take(leaf, record);
      const rule = retentionOf(leaf, record);
      const parameters = parameterSetOf(leaf, record);
      if (rule !== null) this.#retention.push(rule);
      else if (parameters !== null) this.#parameterSets.push(parameters);
      else this.#takeChange(leaf, record);
    } else {
      this.#deliveries.take(record);
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

  /** The institution's values of what frameworks leave to it, as set last; null where they were not. */
  get parameters(): ParameterSetMember | null {
    return this.#parameterSets.at(-1) ?? null;
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
    if (population === 'administrators') return void (yield* copies(this.#administrators.rows()));
    if (population === 'grant_rights') {
      return void (yield* grantRights(this.#members.grant, this.#members.resource));
    }
    if (population === 'parameter_sets') return void (yield* copies(this.#parameterSets));
    if (population === 'log_health') return void (yield* copies(this.#health.rows));
    const entity = Object.entries(ENTITY).find(([, name]) => name === population)?.[0] as keyof typeof ENTITY;
    for (const [id, { leaf, lastLeaf, state }] of this.#members[entity]) {
      yield { leaf, lastLeaf, ...state, ...this.#seen(entity, id), id };
    }
  }

  /** What else is known of a member than its change records say. */
  #seen(entity: keyof typeof ENTITY, id: string): State {
    if (entity === 'principal') return { lastUsedAt: this.lastUseOf(id) };
    if (entity === 'sink') return { ...this.#deliveries.of(id) };
    if (entity !== 'resource') return {};
    return { masks: this.#masksOn(id), lastSessionAt: this.#lastSessions.get(id) ?? null };
  }

  /** Names of the mask rules in force that concern a resource. */
  #masksOn(resource: string): readonly string[] {
    const names: string[] = [];
    for (const { state } of this.#members.mask.values()) {
      const on = isRef(state.resource) ? state.resource.id : null;
      if (state.status === 'active' && (on === null || on === resource)) names.push(String(state.name));
    }
    return names.sort();
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
    if (opened?.resource !== undefined) this.#lastSessions.set(opened.resource.id, record.time);
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

function* copies(rows: Iterable<object>): Generator<State> {
  for (const row of rows) yield { ...row };
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
