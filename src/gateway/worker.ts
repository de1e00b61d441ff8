/**
 * A gateway worker: one process, one event loop, one journal. Started by the supervisor (`supervisor.ts`), it lives from the
 * snapshot it is given and the deltas that follow, and ends when the control process does: without it, no revocation would
 * arrive.
 */
import { constants, createHmac, X509Certificate } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { uuidv7 } from '../core/ids.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import type { Survey } from '../core/upstream-facts.ts';
import type { ProtocolName } from '../core/views.ts';
import { JournalWriter } from '../ledger/journal.ts';
import type { AccessAnswer, AccessAsk, Gateway, LiveSession, Protocol } from '../protocols/contract.ts';
import { createHttp } from '../protocols/http/http.ts';
import { createPostgres } from '../protocols/postgres/postgres.ts';
import { AccessAsks } from './access-asks.ts';
import { SnapshotDirectory } from './directory.ts';
import type { Address, FromWorker, ToWorker, WorkerStart } from './ipc.ts';
import { TurnRecorder } from './recorder.ts';

/** How often sessions are checked against the clock, in milliseconds. Revocations do not wait for it. */
const CHECK_MS = 200;
const FORGET_MS = 60_000;
/** How often a journal that takes no records is tried again while no client does, in milliseconds. */
const RETRY_MS = 1000;
/** How long a client waits for the keys of its issuer, in milliseconds. */
const KEYS_MS = 3000;

class Worker implements Gateway {
  readonly worker: number;
  readonly workers: number;
  readonly installation: string;
  readonly directory: SnapshotDirectory;
  readonly recorder: TurnRecorder;
  readonly limits: WorkerStart['limits'];
  readonly tlsRequired: boolean;
  readonly clientCa: X509Certificate;
  readonly scramSecret: Buffer;
  readonly maskKey: Buffer;
  readonly #journal: JournalWriter;
  readonly #tls: WorkerStart['tls'];
  #secureContext: SecureContext;
  #tlsOptions: SecureContextOptions;
  readonly #sessions = new Set<LiveSession>();
  /** Issuers that are being asked, and who waits for it. */
  readonly #asked = new Map<string, { readonly done: Promise<void>; readonly end: () => void }>();
  readonly #access: AccessAsks;
  readonly #servers: Server[] = [];
  readonly #protocols: Readonly<Record<ProtocolName, Protocol>>;
  #closing = false;
  #journalFault: string | null = null;
  #journalFaultMicros = 0;

  private constructor(start: WorkerStart, postgresOf: (gateway: Gateway) => Protocol) {
    this.worker = start.worker;
    this.workers = start.workers;
    this.directory = new SnapshotDirectory(start.snapshot);
    this.#journal = JournalWriter.create(start.journalDir, `worker-${start.worker}`);
    this.recorder = new TurnRecorder(this.#watch(this.#journal), (error) => this.#fault(String(error)));
    this.limits = start.limits;
    this.#access = new AccessAsks(this.directory, start.limits.holdMs, (ask, access) =>
      tell({ type: 'ask-access', ask, access }),
    );
    this.tlsRequired = start.tlsRequired;
    this.clientCa = new X509Certificate(start.tls.caPem);
    this.scramSecret = Buffer.from(start.scramSecret);
    this.installation = createHmac('sha256', this.scramSecret)
      .update('installation')
      .digest('hex')
      .slice(0, 16);
    this.maskKey = Buffer.from(start.maskKey);
    this.#tls = start.tls;
    this.#tlsOptions = this.#newOptions();
    this.#secureContext = createSecureContext(this.#tlsOptions);
    this.#protocols = { postgres: postgresOf(this), http: createHttp(this) };
    setInterval(() => this.#check(false), CHECK_MS).unref();
    setInterval(() => this.directory.forget(Date.now()), FORGET_MS).unref();
    setInterval(() => this.#retry(), RETRY_MS).unref();
  }

  #newOptions(): SecureContextOptions {
    const { certPem, keyPem, caPem } = this.#tls;
    return {
      cert: certPem,
      key: keyPem,
      // The authorities whose certificates clients may show. They are named to them; what they show is judged at the door.
      ca: [caPem, ...this.directory.trust.certificates()],
      minVersion: 'TLSv1.2',
      // No session is resumed, as in PostgreSQL: each connection shows its certificate and proves that it holds the key.
      secureOptions: constants.SSL_OP_NO_TICKET,
    };
  }

  static async start(start: WorkerStart): Promise<Worker> {
    const worker = new Worker(start, await createPostgres());
    const { postgres, http } = start.listen;
    const listen = {
      postgres: await worker.#listen('postgres', postgres),
      http: http === null ? null : await worker.#listen('http', http),
    };
    tell({ type: 'listening', listen });
    return worker;
  }

  async #listen(protocol: ProtocolName, at: Address): Promise<Address> {
    const server = createServer(
      // A client that has said all it has to say still hears the answers.
      { noDelay: true, keepAlive: true, pauseOnConnect: true, allowHalfOpen: true },
      (socket: Socket) => this.#protocols[protocol].accept(socket),
    );
    this.#servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ ...at, reusePort: true, backlog: 1024 }, resolve);
    });
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the listener has no port');
    return { host: at.host, port: address.port };
  }

  /** Notices when the journal works again. */
  #watch(journal: JournalWriter): Pick<JournalWriter, 'append' | 'flush' | 'sync'> {
    return {
      append: (json, payloads) => journal.append(json, payloads),
      flush: () => {
        journal.flush();
        if (this.#journalFault !== null) this.#fault(null);
      },
      sync: () => journal.sync(),
    };
  }

  /** Without it a gateway that is taken out of service while it cannot record would never come back. */
  #retry(): void {
    if (this.#journalFault === null) return;
    this.recorder.append(
      JSON.stringify({
        id: uuidv7(),
        time: rfc3339(nowMicros()),
        type: 'ledger.recovered',
        actor: { kind: 'system', id: 'postern', name: 'postern' },
        writer: `worker-${this.worker}`,
        since: rfc3339(this.#journalFaultMicros),
        reason: this.#journalFault,
      }),
    );
  }

  #rotateJournal(): void {
    try {
      this.#journal.rotate();
    } catch (error) {
      this.#fault(String(error));
    }
  }

  #fault(reason: string | null): void {
    if (reason === this.#journalFault) return;
    if (this.#journalFault === null) this.#journalFaultMicros = nowMicros();
    this.#journalFault = reason;
    tell({ type: 'journal', reason });
  }

  tls(): SecureContext {
    return this.#secureContext;
  }

  tlsOptions(): SecureContextOptions {
    return this.#tlsOptions;
  }

  admit(): boolean {
    return !this.#closing && this.#sessions.size < this.limits.sessions;
  }

  opened(session: LiveSession): void {
    this.#sessions.add(session);
  }

  closed(session: LiveSession): void {
    this.#sessions.delete(session);
    if (this.#closing) this.#exitWhenEmpty();
  }

  passwordRefused(resource: string): void {
    tell({ type: 'password-refused', resource });
  }

  routeCancel(worker: number, key: Buffer): void {
    tell({ type: 'cancel', worker, key });
  }

  askKeys(issuer: string): Promise<void> {
    const asked = this.#asked.get(issuer);
    if (asked !== undefined) return asked.done;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => this.#asked.get(issuer)?.end(), KEYS_MS);
    const end = (): void => {
      clearTimeout(timer);
      this.#asked.delete(issuer);
      resolve();
    };
    this.#asked.set(issuer, { done: promise, end });
    tell({ type: 'ask-keys', issuer });
    return promise;
  }

  askAccess(ask: AccessAsk, signal: AbortSignal): Promise<AccessAnswer> {
    return this.#access.ask(ask, signal);
  }

  #check(changed: boolean): void {
    for (const session of this.#sessions) session.recheck(changed);
  }

  async on(message: ToWorker): Promise<void> {
    switch (message.type) {
      case 'start':
        throw new Error('started twice');
      case 'delta':
        this.directory.apply(message.delta);
        if (message.delta.trust !== undefined) {
          this.#tlsOptions = this.#newOptions();
          this.#secureContext = createSecureContext(this.#tlsOptions);
        }
        this.#check(true);
        this.#access.changed();
        tell({ type: 'applied', call: message.call });
        return;
      case 'sessions':
        tell({
          type: 'sessions',
          call: message.call,
          sessions: [...this.#sessions].map((each) => each.info()),
        });
        return;
      case 'rotate-journal':
        this.#rotateJournal();
        tell({ type: 'journal-rotated', call: message.call });
        return;
      case 'test':
        tell({
          type: 'tested',
          call: message.call,
          steps: await this.#protocols[message.resource.protocol].test(message.resource),
        });
        return;
      case 'credential': {
        const answer = await this.#protocols[message.resource.protocol].credential(
          message.resource,
          message.change,
        );
        tell({ type: 'credential-tried', call: message.call, answer });
        return;
      }
      case 'survey': {
        const none: Survey = { outcome: 'failed', why: 'resources of this protocol cannot be asked' };
        const survey = (await this.#protocols[message.resource.protocol].survey?.(message.resource)) ?? none;
        tell({ type: 'surveyed', call: message.call, survey });
        return;
      }
      case 'traces': {
        const traces = this.#protocols[message.resource.protocol].traces?.(message.resource) ?? null;
        tell({ type: 'traced', call: message.call, traces });
        return;
      }
      case 'cancel':
        this.#protocols.postgres.cancel(Buffer.from(message.key));
        return;
      case 'keys-asked':
        this.#asked.get(message.issuer)?.end();
        return;
      case 'access-answer':
        this.#access.answered(message.ask, message.answer);
        return;
      case 'shutdown':
        this.#shutdown(message.graceMs);
        return;
    }
  }

  #shutdown(graceMs: number): void {
    if (this.#closing) return;
    this.#closing = true;
    for (const server of this.#servers) server.close();
    const close = (force: boolean): void => {
      for (const session of this.#sessions) {
        if (!force && !session.idle()) continue;
        session.end({
          kind: 'shutdown',
          code: 'POSTERN_SHUTTING_DOWN',
          message: 'the gateway is shutting down',
        });
      }
    };
    close(false);
    setInterval(() => close(false), 50).unref();
    setTimeout(() => close(true), graceMs).unref();
    this.#exitWhenEmpty();
  }

  #exitWhenEmpty(): void {
    if (this.#sessions.size > 0) return;
    // Last words to clients and last records first. A handshake that was under way may still become a session.
    setTimeout(() => {
      if (this.#sessions.size === 0) this.#exit();
    }, 100);
  }

  #exit(): void {
    try {
      for (const protocol of Object.values(this.#protocols)) protocol.flush();
      this.#journal.flush();
      this.#journal.close();
    } catch (error) {
      console.error('postern: the journal could not be closed:', error);
      process.exit(1);
    }
    process.exit(0);
  }
}

function tell(message: FromWorker): void {
  // The channel is gone only when the control process is, and then this process ends too.
  if (process.connected) process.send?.(message);
}

function fatal(error: unknown): never {
  console.error('postern: worker:', error);
  process.exit(1);
}

process.on('disconnect', () => process.exit(0));
// Ctrl-C reaches the whole process group: the supervisor decides when a worker stops.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);

let worker: Promise<Worker> | null = null;
process.on('message', (message: ToWorker) => {
  if (worker === null && message.type === 'start') {
    worker = Worker.start(message);
    worker.catch(fatal);
    return;
  }
  worker?.then((it) => it.on(message)).catch(fatal);
});
