/**
 * The control plane in one object: who exists, who may do what, and how that changes. `serve` opens one, the API
 * speaks to it, gateway workers live from its snapshot and deltas.
 */
import { join } from 'node:path';
import { Attempts } from '../core/attempts.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor, ChangeRecord, RecordBase, Ref, ServiceRecord, SinkRecord } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import type { Delta, ResourceView, Snapshot } from '../core/views.ts';
import { Bindings } from '../identity/bindings.ts';
import { fetchBundle } from '../identity/bundles.ts';
import { Challenges } from '../identity/challenges.ts';
import { CredentialRefusals } from '../identity/credential-refusals.ts';
import { Credentials } from '../identity/credentials.ts';
import { Doors } from '../identity/doors.ts';
import { endingsBehindChanges } from '../identity/endings.ts';
import { TokenExchange } from '../identity/exchange.ts';
import { fetchIssuerKeys } from '../identity/issuers.ts';
import { KeyPairs } from '../identity/key-pairs.ts';
import { Persons, SYSTEM } from '../identity/persons.ts';
import { Platforms } from '../identity/platforms.ts';
import { Possession } from '../identity/possession.ts';
import { Principals } from '../identity/principals.ts';
import type { Provers } from '../identity/proof.ts';
import { PersonSessions } from '../identity/sessions.ts';
import { Setup } from '../identity/setup.ts';
import { SignIn } from '../identity/sign-in.ts';
import { SpentProofs } from '../identity/spent-proofs.ts';
import { StaticSecrets } from '../identity/static-secrets.ts';
import { ApiTokens } from '../identity/tokens.ts';
import { Trusts } from '../identity/trust.ts';
import { Notifier } from '../notify/notifier.ts';
import { ChangeLog, dropOrphans, recover } from '../store/changes.ts';
import type { Resource, Trust } from '../store/entities.ts';
import { bindingsOfKind, listTrust } from '../store/queries.ts';
import { Store } from '../store/store.ts';
import { Keyring } from '../vault/keyring.ts';
import { sealedSetting } from '../vault/sealed-setting.ts';
import { SecretBox } from '../vault/secrets.ts';
import { SecretSources } from '../vault/sources/sources.ts';
import { Alerts } from './alert/alerts.ts';
import type { ControlOptions } from './control-options.ts';
import { Declarations } from './declarations.ts';
import { Erasures } from './erasures.ts';
import { EvidenceSchedules } from './evidence-schedules.ts';
import { tellExpiries } from './expiry-tellings.ts';
import { FrameworkParameterSets } from './framework-parameters.ts';
import { Grants } from './grants.ts';
import { Holds } from './holds.ts';
import { type IssuerStatus, Issuers } from './issuers.ts';
import { Lifecycle } from './lifecycle.ts';
import { LogReviews } from './log-reviews.ts';
import { Masks } from './masks.ts';
import { OnConnect } from './on-connect.ts';
import { OutsideDecisions } from './outside-decisions.ts';
import { type OwnKeys, OwnTokens, openOwnKeys } from './own-tokens.ts';
import { Policies } from './policies.ts';
import { proversOf } from './provers.ts';
import { Reconciliations } from './reconcile/reconciliations.ts';
import { type Rehearsed, rehearse } from './rehearsal.ts';
import { Requests } from './requests.ts';
import { ResourceSecrets } from './resource-secrets.ts';
import { Resources } from './resources.ts';
import { Retention } from './retention.ts';
import { Reviews } from './review/reviews.ts';
import { SavedQueries } from './saved-queries.ts';
import { validateScope } from './scopes.ts';
import { SecretRotation } from './secret-rotation.ts';
import { sinkTelling } from './sink-telling.ts';
import { Sinks } from './sinks.ts';
import { SourcedSecrets } from './sourced-secrets.ts';
import { startSweeps } from './sweeps.ts';
import { tellingsOf } from './tellings.ts';
import { type BundleState, TrustKeys } from './trust-keys.ts';
import { Vault } from './vault.ts';
import { deltaOf, snapshotOf } from './views.ts';
import { withdrawalOf, withdrawFrom } from './withdrawal.ts';

export type { ControlOptions } from './control-options.ts';

/** Changes of so long ago are told of when they are made up for at a start. */
const TOLD_MICROS = 7 * 86_400_000_000;

/** Secrets of this installation. */
interface Keys {
  readonly ring: Keyring;
  readonly scramSalt: Buffer;
  readonly mask: Buffer;
  readonly own: OwnKeys;
}

export class Control {
  readonly persons: Persons;
  readonly tokens: ApiTokens;
  readonly setup: Setup;
  readonly signIn: SignIn;
  readonly sessions: PersonSessions;
  readonly doors: Doors;
  readonly principals: Principals;
  readonly credentials: Credentials;
  readonly bindings: Bindings;
  readonly possession: Possession;
  readonly staticSecrets: StaticSecrets;
  readonly keyPairs: KeyPairs;
  /** Nonces for those who sign something to prove themselves. */
  readonly challenges = new Challenges();
  readonly trusts: Trusts;
  /** How those who ask for a credential prove who they are. */
  readonly provers: Provers;
  readonly spent: SpentProofs;
  readonly platforms: Platforms;
  /** What Postern signs itself. */
  readonly own: OwnTokens;
  readonly exchange: TokenExchange;
  readonly resources: Resources;
  readonly rotation: SecretRotation;
  readonly sourced: SourcedSecrets;
  readonly grants: Grants;
  readonly masks: Masks;
  readonly holds: Holds;
  readonly retention: Retention;
  readonly frameworkParameters: FrameworkParameterSets;
  readonly lifecycle: Lifecycle;
  readonly declarations: Declarations;
  readonly policies: Policies;
  readonly requests: Requests;
  readonly reviews: Reviews;
  readonly logReviews: LogReviews;
  readonly evidenceSchedules: EvidenceSchedules;
  readonly alerts: Alerts;
  readonly reconciliations: Reconciliations;
  readonly onConnect: OnConnect;
  readonly notifier: Notifier;
  readonly outside: OutsideDecisions;
  readonly sinks: Sinks;
  readonly savedQueries: SavedQueries;
  readonly erasures: Erasures;
  readonly vault: Vault;
  /** The secret behind the SCRAM salts: workers need it to answer for names they do not know. */
  readonly scramSaltSecret: Buffer;
  /** The key of keyed masks, so that masked results of one installation can be joined. */
  readonly maskKey: Buffer;
  readonly #store: Store;
  readonly #box: SecretBox;
  readonly #sources: SecretSources;
  readonly #changes: ChangeLog;
  readonly #options: ControlOptions;
  #version = 1;
  readonly #issuers: Issuers;
  readonly #trust: TrustKeys;
  readonly #refusals: CredentialRefusals;
  #stopSweeps: (() => Promise<void>) | null = null;

  private constructor(options: ControlOptions, store: Store, box: SecretBox, keys: Keys) {
    const { db } = store;
    this.#options = options;
    this.#store = store;
    this.#box = box;
    this.#changes = new ChangeLog({
      store,
      sink: options.sink,
      behind: endingsBehindChanges,
      deliver: (records) => this.#deliver(records),
      withdraw: (records) => this.#withdraw(records),
      tell: (tx, records) => this.notifier.beside(tx, () => tellingsOf(tx, records)),
    });
    this.scramSaltSecret = keys.scramSalt;
    this.maskKey = keys.mask;
    this.persons = new Persons(db, this.#changes);
    this.tokens = new ApiTokens(db, this.#changes);
    this.setup = new Setup(db, this.#changes);
    this.signIn = new SignIn(db, this.#changes);
    this.sessions = new PersonSessions(db, this.#changes, this.signIn, (record) => this.#write(record));
    this.doors = new Doors(db, this.#changes, box, (record) => this.#write(record));
    this.principals = new Principals(db, this.#changes);
    const write = (record: RecordBase): Promise<void> => this.#write(record);
    const writeAlone = (record: RecordBase): Promise<void> =>
      this.#changes.exclusive(() => this.#write(record));
    this.own = new OwnTokens({
      dataDir: options.dataDir,
      saltSecret: keys.scramSalt,
      db,
      changes: this.#changes,
      keys: keys.own,
      issuer: options.issuer ?? (() => 'https://localhost'),
      write,
    });
    this.credentials = new Credentials(db, this.#changes, this.own.forms);
    this.#issuers = new Issuers({
      wanted: async () =>
        new Map((await bindingsOfKind(db, 'oidc')).map(({ issuer, keys = {} }) => [issuer, keys])),
      publish: (issuers) =>
        this.#changes.exclusive(() => this.#publish({ version: this.#version + 1, issuers })),
      onFault: (error) => options.onFault?.('issuer', error),
      fetch: options.fetchIssuerKeys ?? fetchIssuerKeys,
      now: () => (options.clock ?? nowMicros)() / 1000,
    });
    this.bindings = new Bindings(db, this.#changes, (issuer, source) =>
      this.#issuers.prepare(issuer, source),
    );
    this.#trust = new TrustKeys({
      list: () => listTrust(db),
      publish: (trust) => this.#changes.exclusive(() => this.#publish({ version: this.#version + 1, trust })),
      onFault: (error) => options.onFault?.('trust', error),
      fetch: options.fetchBundle ?? fetchBundle,
    });
    this.possession = new Possession(this.#changes);
    this.staticSecrets = new StaticSecrets(db, this.#changes, keys.scramSalt);
    this.trusts = new Trusts(db, this.#changes, (url) => this.#trust.prepare(url));
    this.spent = new SpentProofs(db);
    this.platforms = new Platforms(
      this.#changes,
      (options.platforms?.clusters ?? []).map(({ name }) => name),
    );
    this.keyPairs = new KeyPairs({
      ...{ db, changes: this.#changes, spent: this.spent },
      audience: () => this.own.issuer(),
    });
    this.provers = proversOf({
      ...{ db, spent: this.spent, challenges: this.challenges, own: this.own, keyPairs: this.keyPairs },
      ...{ issuers: this.#issuers, trust: this.#trust, platforms: options.platforms },
    });
    this.#sources = options.sources ?? new SecretSources({});
    this.sourced = new SourcedSecrets({
      sources: this.#sources,
      db,
      changed: (resources) =>
        this.#changes.exclusive(async () => {
          for (const resource of resources) await this.#tell(resource);
        }),
      onFault: (error) => options.onFault?.('source', error),
      refreshMs: options.sourceRefreshMs ?? 300_000,
      staleMs: options.sourceStaleMs ?? 3_600_000,
    });
    const secrets = new ResourceSecrets(db, box, this.sourced);
    this.resources = new Resources(db, this.#changes, secrets);
    this.rotation = new SecretRotation({
      ...{ db, changes: this.#changes, secrets },
      view: (resource) => this.resources.view(resource),
      tell: (resource) => this.#tell(resource),
      door: options.door ?? (async () => ({ outcome: 'failed', why: 'no gateway worker answers' })),
    });
    this.#refusals = new CredentialRefusals(writeAlone);
    this.exchange = new TokenExchange({
      db,
      changes: this.#changes,
      provers: this.provers,
      forms: this.own.forms,
      delegations: this.own.delegations,
      attempts: new Attempts(),
      refusals: this.#refusals,
    });
    this.grants = new Grants(db, this.#changes, options.validateScope ?? validateScope);
    this.masks = new Masks(db, this.#changes);
    this.sinks = new Sinks(db, this.#changes, box);
    this.savedQueries = new SavedQueries(db);
    this.holds = new Holds(db, this.#changes);
    this.retention = new Retention(db, this.#changes);
    this.frameworkParameters = new FrameworkParameterSets(db, this.#changes);
    this.declarations = new Declarations(db, this.#changes);
    const clock = options.clock ?? nowMicros;
    this.lifecycle = new Lifecycle(db, this.#changes, clock);
    this.policies = new Policies(db, this.#changes);
    this.requests = new Requests(db, this.#changes, options.validateScope ?? validateScope, clock);
    this.reviews = new Reviews(db, this.#changes, options.validateScope ?? validateScope, clock);
    this.logReviews = new LogReviews(db, this.#changes);
    this.evidenceSchedules = new EvidenceSchedules(db, this.#changes);
    this.alerts = new Alerts(db, this.#changes, clock);
    this.reconciliations = new Reconciliations(db, this.#changes, this.resources, clock);
    this.onConnect = new OnConnect(db, this.#changes, this.requests, clock);
    this.notifier = new Notifier({
      ...{ db, changes: this.#changes, box, clock, write: writeAlone },
      publicUrl: options.issuer ?? (() => 'https://localhost'),
      onFault: (error) => options.onFault?.('notify', error),
    });
    this.outside = new OutsideDecisions({
      ...{ db, notifier: this.notifier, requests: this.requests, spent: this.spent, clock },
      publicUrl: options.issuer ?? (() => 'https://localhost'),
    });
    const { dataDir, emptyJournals = async () => undefined } = options;
    this.erasures = new Erasures({
      dataDir,
      keys: keys.ring.keys,
      db,
      changes: this.#changes,
      write,
      emptyJournals,
    });
    this.vault = new Vault({
      dataDir,
      keyring: keys.ring,
      db,
      changes: this.#changes,
      write,
      nextMasterKey: options.nextMasterKey ?? (async () => null),
      keysChanged: options.keysChanged ?? (async () => undefined),
      onFault: (error) => options.onFault?.('vault', error),
    });
  }

  static async open(options: ControlOptions): Promise<Control> {
    const ring = options.keyring ?? (await Keyring.open({ dataDir: options.dataDir }));
    const box = new SecretBox(ring.keys);
    const store = Store.open(join(options.dataDir, 'state.db'));
    try {
      const scramSalt = await sealedSetting(store.db, box, 'scram_salt_secret');
      const mask = await sealedSetting(store.db, box, 'mask_key');
      const own = await openOwnKeys(store.db, box);
      const control = new Control(options, store, box, { ring, scramSalt, mask, own });
      await control.#recover();
      await control.vault.recover();
      control.#trust.views(await listTrust(store.db));
      return control;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  /** Applies what was recorded and may not be in state, and tells of it: what was told of already is not told again. */
  async #recover(): Promise<void> {
    const { leftover = [], clock = nowMicros } = this.#options;
    // What a message came to is kept for a month: by then nobody has to hear of it any more.
    const since = rfc3339(clock() - TOLD_MICROS);
    await recover(this.#store, leftover, async (tx, records) => {
      for (const record of records) {
        if (record.time < since) continue;
        await this.notifier.beside(tx, () => tellingsOf(tx, [record]), record.time);
      }
    });
    await dropOrphans(this.#store.db);
  }

  /** What is known of the issuers that are bound. */
  issuers(): IssuerStatus[] {
    return this.#issuers.status();
  }

  /** Asks an issuer for its keys, since a token names one that is not known; not often. Workers get what it answers. */
  askKeys(issuer: string): Promise<void> {
    return this.#issuers.ask(issuer);
  }

  readonly #vaultFault = (error: unknown): void => this.#options.onFault?.('vault', error);

  /** What a fresh worker starts from. Deltas with a higher version are to be applied on top. */
  snapshot(): Promise<Snapshot> {
    return this.#changes.exclusive(async () => {
      const { withdrawn } = this.#changes;
      const tables = await snapshotOf(this.#store.db, this.resources, this.#version, this.#vaultFault);
      const trust = this.#trust.views(await listTrust(this.#store.db));
      const snapshot: Snapshot = { ...tables, issuers: this.#issuers.views(), trust };
      const delta = await withdrawalOf(this.resources, withdrawn, this.#version);
      return delta === null ? snapshot : withdrawFrom(snapshot, delta);
    });
  }

  /** The resource with its upstream password, for a connection test by the gateway. */
  async resourceView(ref: string): Promise<ResourceView> {
    return this.resources.view(await this.resources.get(ref));
  }

  /** How fresh the bundle of a trust domain is; null where it is not fetched. */
  bundleState(trust: Trust): BundleState | null {
    return this.#trust.state(trust);
  }

  /** Does something to a copy of the state, which is then thrown away: to see what would come of it. */
  rehearse<T>(work: (copy: Rehearsed) => Promise<T>): Promise<T> {
    const [{ db }, { dataDir }] = [this.#store, this.#options];
    return rehearse({ dataDir, db, changes: this.#changes, box: this.#box, sources: this.#sources }, work);
  }

  /**
   * Records that somebody takes evidence out; to be called before it is handed over.
   *
   * @returns the record's id
   * @throws PosternError POSTERN_AUDIT_UNAVAILABLE
   */
  async recordExport(actor: Actor, params: object, principal?: Ref): Promise<string> {
    const record: RecordBase & { readonly params: object } = {
      id: uuidv7(),
      time: rfc3339(nowMicros()),
      type: 'evidence.exported',
      actor,
      ...(principal && { principal: { id: principal.id, name: principal.name } }),
      params,
    };
    await this.#changes.exclusive(() => this.#write(record));
    return record.id;
  }

  /** Records that Postern was started or is stopped. */
  async recordService(type: ServiceRecord['type'], service: ServiceRecord['service']): Promise<void> {
    const record: ServiceRecord = { id: uuidv7(), time: rfc3339(nowMicros()), type, actor: SYSTEM, service };
    await this.#changes.exclusive(() => this.#write(record));
  }

  /** Records how far a sink has come. That it fails, and that it does no longer, is told to administrators. */
  async recordSink(type: SinkRecord['type'], sink: Ref, delivery: SinkRecord['delivery']): Promise<void> {
    const ref = { id: sink.id, name: sink.name };
    const base = { id: uuidv7(), time: rfc3339(nowMicros()), type, actor: SYSTEM };
    const record: SinkRecord = { ...base, sink: ref, delivery };
    await this.#changes.exclusive(() => this.#write(record));
    const telling = sinkTelling(record);
    if (telling !== null) await this.notifier.tellAdmins(telling);
  }

  /** Starts the timer that records what ends by itself, and the one that fetches issuers' keys. */
  start(): void {
    this.#issuers.start();
    this.#trust.start();
    this.vault.start();
    this.rotation.start();
    this.notifier.start();
    let turn = 0;
    const expiries = [
      () => this.grants.expire(),
      () => this.staticSecrets.expire(),
      () => this.principals.expire(),
      () => this.sessions.expire(),
      () => this.doors.refusals.flush(),
      // Counts in days: a look a second is soon enough.
      async () => (turn++ % 4 === 0 ? this.lifecycle.sweep() : undefined),
      () => this.requests.lapse(),
      async () => (turn % 4 === 0 ? this.reviews.sweep() : undefined),
      () => this.notifier.links.expire(),
      // Counts in days.
      async () => (turn % 64 === 0 ? this.#tellExpiries() : undefined),
    ];
    this.#stopSweeps ??= startSweeps(this.#changes, expiries, (error) =>
      this.#options.onFault?.('sweep', error),
    );
  }

  /** Stops the sweeps, lets the change under way finish and closes the database. */
  async close(): Promise<void> {
    this.#issuers.close();
    this.#trust.close();
    this.sourced.close();
    await this.rotation.close();
    await this.vault.close();
    await this.#stopSweeps?.();
    this.#stopSweeps = null;
    await this.notifier.close();
    await this.outside.close();
    await this.#refusals.close();
    // What was refused in the last minute; a journal that cannot be written keeps nobody from closing.
    await this.doors.refusals
      .flush(Date.now(), true)
      .catch((error: unknown) => this.#options.onFault?.('sweep', error));
    await this.#changes.exclusive(() => this.#store.close());
    this.erasures.close();
  }

  /** Writes a record that changes no state, durably. */
  async #write(record: RecordBase): Promise<void> {
    const { sink } = this.#options;
    sink.append(JSON.stringify(record));
    sink.flush();
    await sink.sync?.();
  }

  #tellExpiries(): Promise<void> {
    const nowMs = (this.#options.clock ?? nowMicros)() / 1000;
    return tellExpiries(this.#store.db, this.notifier, nowMs);
  }

  /** Has the workers know the passwords of a resource as they are now. */
  async #tell(resource: Resource): Promise<void> {
    const resources = [await this.resources.view(resource)];
    await this.#publish({ version: this.#version + 1, resources });
  }

  async #deliver(records: readonly ChangeRecord[]): Promise<void> {
    const next = this.#version + 1;
    const delta = await deltaOf(this.#store.db, this.resources, records, next, this.#vaultFault);
    await this.#publish(this.#withTrust(delta, records));
  }

  async #withdraw(records: readonly ChangeRecord[]): Promise<void> {
    const delta = await withdrawalOf(this.resources, records, this.#version + 1);
    await this.#publish(this.#withTrust(delta, records));
  }

  #withTrust(delta: Delta | null, records: readonly ChangeRecord[]): Delta | null {
    const trust = this.#trust.changed(records);
    return trust.length === 0 ? delta : { ...(delta ?? { version: this.#version + 1 }), trust };
  }

  async #publish(delta: Delta | null): Promise<void> {
    if (!delta) return;
    this.#version += 1;
    await this.#options.publish(delta);
  }
}
