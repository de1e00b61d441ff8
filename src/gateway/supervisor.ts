import { type ChildProcess, fork } from 'node:child_process';
import { PosternError } from '../core/errors.ts';
import type { OwnTraces, Survey } from '../core/upstream-facts.ts';
import type { Delta, ResourceView, Snapshot } from '../core/views.ts';
import type {
  AccessAnswer,
  AccessAsk,
  CredentialAnswer,
  Limits,
  PasswordChange,
  SessionInfo,
  TestStep,
} from '../protocols/contract.ts';
import type { FromWorker, Listen, ToWorker, WorkerStart } from './ipc.ts';

export interface SupervisorOptions {
  readonly workers: number;
  readonly journalDir: string;
  /** Port 0 takes any free port; all workers share it. */
  readonly listen: Listen;
  readonly limits: Limits;
  readonly tlsRequired: boolean;
  readonly tls: WorkerStart['tls'];
  readonly scramSecret: Uint8Array;
  readonly maskKey: Uint8Array;
  readonly snapshot: () => Promise<Snapshot>;
  /** Asks an issuer for its keys now; they come as a delta. Never throws. */
  readonly askKeys: (issuer: string) => Promise<void>;
  /** A resource refused its password, which is kept elsewhere: it is to be read again. Never throws. */
  readonly passwordRefused: (resource: string) => Promise<void>;
  /** Asks for access for who connects, where the policy says so; a grant is told to all workers before it answers. */
  readonly askAccess: (ask: AccessAsk) => Promise<AccessAnswer>;
  readonly log: (message: string) => void;
}

/** How long a worker may take to apply a change before it is replaced, in milliseconds. */
const APPLY_MS = 1000;
const ANSWER_MS = 30_000;
const START_MS = 30_000;

interface WorkerSlot {
  readonly index: number;
  child: ChildProcess | null;
  listening: boolean;
  journalFault: string | null;
  restarts: number;
}

type Answer = Extract<FromWorker, { readonly call: number }>;

/**
 * Starts the workers, keeps them alive, tells them every change and asks them questions. A worker that dies is replaced, with a
 * pause that grows; one that does not apply a change in time is killed, since it might let through what was revoked.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #slots: WorkerSlot[] = [];
  readonly #calls = new Map<number, (answer: Answer) => void>();
  #listen: Listen;
  #call = 0;
  /** Workers being started, and the changes since: their snapshot may be older. */
  #launching = 0;
  #sinceLaunch: Delta[] = [];
  #closing = false;

  private constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#listen = options.listen;
  }

  static async start(options: SupervisorOptions): Promise<Supervisor> {
    const supervisor = new Supervisor(options);
    for (let index = 0; index < options.workers; index++) {
      const slot: WorkerSlot = { index, child: null, listening: false, journalFault: null, restarts: 0 };
      supervisor.#slots.push(slot);
      // One after the other: the first finds the port that the others share.
      await supervisor.#launch(slot);
    }
    return supervisor;
  }

  /** Where the workers listen. */
  get listen(): Listen {
    return this.#listen;
  }

  /** Process ids of the workers, for measuring. */
  pids(): number[] {
    return this.#slots.flatMap(({ child }) => (child?.pid === undefined ? [] : [child.pid]));
  }

  async #launch(slot: WorkerSlot): Promise<void> {
    const { journalDir, limits, tlsRequired, tls, scramSecret, maskKey, snapshot } = this.#options;
    const child = fork(new URL('./worker.ts', import.meta.url), {
      serialization: 'advanced',
      env: workerEnvironment(process.env),
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    child.setMaxListeners(0);
    this.#launching += 1;
    const ready = new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('it did not begin to listen in time')), START_MS);
      child.on('message', (message: FromWorker) => {
        if (message.type === 'listening') {
          this.#listen = message.listen;
          slot.listening = true;
          clearTimeout(timer);
          resolve();
        } else {
          this.#heard(slot, message);
        }
      });
      child.once('exit', (code, signal) => {
        clearTimeout(timer);
        reject(new Error(`it ended with ${signal ?? code}`));
      });
      child.once('error', reject);
    });
    const first = await snapshot();
    const start: WorkerStart = {
      type: 'start',
      worker: slot.index,
      workers: this.#options.workers,
      journalDir,
      listen: this.#listen,
      limits,
      tlsRequired,
      tls,
      scramSecret,
      maskKey,
      snapshot: first,
    };
    send(child, start);
    for (const delta of this.#sinceLaunch) {
      if (delta.version > first.version) send(child, { type: 'delta', call: 0, delta });
    }
    slot.child = child;
    this.#launching -= 1;
    if (this.#launching === 0) this.#sinceLaunch = [];
    try {
      await ready;
    } catch (error) {
      child.kill('SIGKILL');
      slot.child = null;
      throw new PosternError(
        'POSTERN_INTERNAL',
        `gateway worker ${slot.index} could not start: ${(error as Error).message}`,
      );
    }
    child.once('exit', (code, signal) => {
      slot.child = null;
      slot.listening = false;
      if (this.#closing) return;
      this.#options.log(`gateway worker ${slot.index} ended with ${signal ?? code}; starting another`);
      this.#restart(slot);
    });
  }

  #restart(slot: WorkerSlot): void {
    const pause = Math.min(100 * 2 ** slot.restarts, 5000);
    slot.restarts += 1;
    const since = Date.now();
    setTimeout(() => {
      if (this.#closing) return;
      this.#launch(slot).then(
        () => {
          if (Date.now() - since > 60_000) slot.restarts = 0;
        },
        (error: unknown) => {
          this.#options.log(String(error));
          if (!this.#closing) this.#restart(slot);
        },
      );
    }, pause).unref();
  }

  #heard(slot: WorkerSlot, message: FromWorker): void {
    if (message.type === 'cancel') {
      const child = this.#slots[message.worker]?.child;
      if (child) send(child, { type: 'cancel', key: message.key });
    } else if (message.type === 'ask-keys') {
      const { child } = slot;
      const { issuer } = message;
      void this.#options.askKeys(issuer).then(() => {
        if (child) send(child, { type: 'keys-asked', issuer });
      });
    } else if (message.type === 'ask-access') {
      void this.#askAccess(slot.child, message.ask, message.access);
    } else if (message.type === 'password-refused') {
      void this.#options.passwordRefused(message.resource);
    } else if (message.type === 'journal') {
      slot.journalFault = message.reason;
      this.#options.log(
        message.reason === null
          ? `gateway worker ${slot.index}: the journal takes records again`
          : `gateway worker ${slot.index}: no statement is forwarded: ${message.reason}`,
      );
    } else if (message.type !== 'listening') {
      this.#calls.get(message.call)?.(message);
    }
  }

  async #askAccess(child: ChildProcess | null, ask: number, access: AccessAsk): Promise<void> {
    let answer: AccessAnswer = { outcome: 'none' };
    try {
      answer = await this.#options.askAccess(access);
    } catch (error) {
      this.#options.log(`access could not be asked for: ${String(error)}`);
    }
    if (child) send(child, { type: 'access-answer', ask, answer });
  }

  /** Tells every worker; resolves when none is left that could act on the state before. */
  async apply(delta: Delta): Promise<void> {
    if (this.#launching > 0) this.#sinceLaunch.push(delta);
    await Promise.all(
      this.#slots.map(async ({ child, index }) => {
        if (child === null) return;
        const applied = await this.#ask(child, (call) => ({ type: 'delta', call, delta }), APPLY_MS);
        if (applied !== null || child.exitCode !== null) return;
        this.#options.log(`gateway worker ${index} did not apply a change in time; replacing it`);
        child.kill('SIGKILL');
      }),
    );
  }

  async sessions(): Promise<SessionInfo[]> {
    const answers = await Promise.all(
      this.#slots.map(({ child }) =>
        child === null ? null : this.#ask(child, (call) => ({ type: 'sessions', call }), APPLY_MS),
      ),
    );
    return answers.flatMap((answer) => (answer?.type === 'sessions' ? [...answer.sessions] : []));
  }

  /** Has every worker begin a new journal file. One that cannot goes on with the old one. */
  async rotateJournals(): Promise<void> {
    await Promise.all(
      this.#slots.map(({ child }) =>
        child === null ? null : this.#ask(child, (call) => ({ type: 'rotate-journal', call }), APPLY_MS),
      ),
    );
  }

  async testResource(resource: ResourceView): Promise<{ ok: boolean; steps: readonly TestStep[] }> {
    const child = this.#slots.find((slot) => slot.child !== null)?.child;
    const answer = child
      ? await this.#ask(child, (call) => ({ type: 'test', call, resource }), ANSWER_MS)
      : null;
    if (answer?.type !== 'tested') throw new PosternError('POSTERN_INTERNAL', 'no gateway worker answers');
    return { ok: answer.steps.every((step) => step.ok), steps: answer.steps };
  }

  /** Has a worker log in at a resource and, with `change`, replace a password there. Never throws. */
  async credential(resource: ResourceView, change: PasswordChange | null): Promise<CredentialAnswer> {
    const child = this.#slots.find((slot) => slot.child !== null)?.child;
    const answer = child
      ? await this.#ask(child, (call) => ({ type: 'credential', call, resource, change }), ANSWER_MS)
      : null;
    if (answer?.type === 'credential-tried') return answer.answer;
    return { outcome: 'failed', why: 'no gateway worker answers' };
  }

  /**
   * Has a worker ask a resource who can and who does reach it, and every worker what it does there itself, before and after. Null
   * for the traces where a worker did not answer, so that not all is known.
   */
  async survey(resource: ResourceView): Promise<{
    readonly survey: Survey;
    readonly before: readonly OwnTraces[] | null;
    readonly after: readonly OwnTraces[] | null;
  }> {
    const before = await this.#traces(resource);
    const child = this.#slots.find((slot) => slot.child !== null)?.child;
    const answer = child
      ? await this.#ask(child, (call) => ({ type: 'survey', call, resource }), ANSWER_MS)
      : null;
    const survey: Survey =
      answer?.type === 'surveyed' ? answer.survey : { outcome: 'failed', why: 'no gateway worker answers' };
    return { survey, before, after: await this.#traces(resource) };
  }

  async #traces(resource: ResourceView): Promise<readonly OwnTraces[] | null> {
    const answers = await Promise.all(
      this.#slots.map(({ child }) =>
        child === null ? null : this.#ask(child, (call) => ({ type: 'traces', call, resource }), APPLY_MS),
      ),
    );
    const traces = answers.flatMap((answer) =>
      answer?.type === 'traced' && answer.traces !== null ? [answer.traces] : [],
    );
    return traces.length === answers.length ? traces : null;
  }

  health(): { readonly ok: boolean; readonly workers: number; readonly reasons: readonly string[] } {
    const reasons: string[] = [];
    let workers = 0;
    for (const { index, listening, journalFault } of this.#slots) {
      if (listening) workers += 1;
      else reasons.push(`gateway worker ${index} is not listening`);
      if (journalFault !== null) reasons.push(`gateway worker ${index} forwards nothing: ${journalFault}`);
    }
    return { ok: reasons.length === 0, workers, reasons };
  }

  /** Sends a message and waits for its answer; null when the worker ends or takes too long. */
  #ask(child: ChildProcess, message: (call: number) => ToWorker, timeoutMs: number): Promise<Answer | null> {
    const call = ++this.#call;
    return new Promise((resolve) => {
      const done = (answer: Answer | null): void => {
        clearTimeout(timer);
        this.#calls.delete(call);
        child.off('exit', gone);
        resolve(answer);
      };
      const gone = (): void => done(null);
      const timer = setTimeout(gone, timeoutMs);
      this.#calls.set(call, done);
      child.once('exit', gone);
      send(child, message(call));
    });
  }

  /** Stops listening, lets commands under way finish for `graceMs`, closes all sessions. */
  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    await Promise.all(
      this.#slots.map(async ({ child }) => {
        if (child === null) return;
        const exited = new Promise((resolve) => child.once('exit', resolve));
        send(child, { type: 'shutdown', graceMs });
        const timer = setTimeout(() => child.kill('SIGKILL'), graceMs + 5000);
        await exited;
        clearTimeout(timer);
      }),
    );
  }
}

/** What a worker inherits: nothing of what is Postern's own to know, whose names all begin alike. */
export function workerEnvironment(own: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(own).filter(([name]) => !name.startsWith('POSTERN_')));
}

function send(child: ChildProcess, message: ToWorker): void {
  // A worker that is gone is noticed by its exit.
  if (child.connected) child.send(message, () => undefined);
}
