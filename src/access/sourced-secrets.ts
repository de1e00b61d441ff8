import { PosternError } from '../core/errors.ts';
import type { UpstreamLogin } from '../core/views.ts';
import type { Resource } from '../store/entities.ts';
import { listResources } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import type { SecretSources } from '../vault/sources/sources.ts';

export interface SourcedOptions {
  readonly sources: SecretSources;
  readonly db: StateDb;
  /** Tells the workers: what the references of these resources come to is another, or cannot be had any more, or again. */
  readonly changed: (resources: readonly Resource[]) => Promise<void>;
  readonly onFault: (error: unknown) => void;
  /** Milliseconds. */
  readonly refreshMs: number;
  readonly staleMs: number;
  readonly now?: () => number;
}

interface Known {
  readonly value: string;
  readonly version: string;
  readonly readAt: number;
}

interface Failure {
  readonly why: string;
  readonly since: number;
}

const LOOK_MS = 5000;
const DEADLINE_MS = 10_000;
/** After a password was refused, its source is asked again at most so often. */
const ASK_AGAIN_MS = 5000;
const RETRY_MS = 30_000;

/**
 * Passwords that are kept elsewhere. The control process alone reads them, keeps them in memory and hands them to the workers; it reads
 * them again from time to time, and at once when a resource has refused one. While a source does not answer, what it said last
 * counts, for a limited time.
 */
export class SourcedSecrets {
  readonly #options: SourcedOptions;
  readonly #known = new Map<string, Known>();
  readonly #failures = new Map<string, Failure>();
  readonly #triedAt = new Map<string, number>();
  readonly #reading = new Map<string, Promise<void>>();
  readonly #stop = new AbortController();
  /** What workers were told last: the version, or that there is none. */
  readonly #told = new Map<string, string | null>();
  #timer: NodeJS.Timeout | null = null;

  constructor(options: SourcedOptions) {
    this.#options = options;
  }

  /**
   * Looks whether a reference can be used, and reads it.
   *
   * @throws PosternError POSTERN_INVALID where no source of the configuration takes it, or nothing is to be had there
   */
  async prepare(reference: string): Promise<void> {
    this.#options.sources.find(reference);
    await this.#read(reference);
    const failure = this.#failures.get(reference);
    if (failure !== undefined) {
      throw new PosternError(
        'POSTERN_INVALID',
        `The secret at ${reference} cannot be had: it ${failure.why}.`,
      );
    }
  }

  /** Reads all that is wanted, each within its deadline; then from time to time again. */
  async start(): Promise<void> {
    await this.#refresh();
    const pause = Math.min(LOOK_MS, this.#options.refreshMs);
    this.#timer ??= setInterval(() => void this.#refresh(), pause).unref();
  }

  close(): void {
    this.#stop.abort();
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  /** A resource has refused what is known: it may have been replaced where it is kept. Never throws. */
  async refused(resource: string): Promise<void> {
    try {
      for (const [reference, resources] of await this.#wanted()) {
        const asked = this.#now() - (this.#triedAt.get(reference) ?? 0) < ASK_AGAIN_MS;
        if (asked || !resources.some(({ id }) => id === resource)) continue;
        await this.#read(reference);
        await this.#tell(reference, resources);
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#options.onFault(error);
    }
  }

  /** The login with the password that the reference comes to; without one where it cannot be had. */
  login(user: string, reference: string): UpstreamLogin {
    const value = this.#current(reference)?.value;
    return value === undefined
      ? { user, password: '', sourced: true, unavailable: true }
      : { user, password: value, sourced: true };
  }

  /** Why what a resource needs cannot be read at present, in words. */
  faultsOf({ upstream, admin }: Resource): string[] {
    return [upstream.source, admin?.source ?? null]
      .map((source) => (source === null ? null : this.#faultOf(source)))
      .filter((fault) => fault !== null);
  }

  #faultOf(reference: string): string | null {
    const failure = this.#failures.get(reference);
    if (failure === undefined) return null;
    const since = new Date(failure.since).toISOString();
    const counts = this.#current(reference) !== null;
    return `The secret at ${reference} cannot be read since ${since}: it ${failure.why}. ${
      counts ? 'What was read last still counts.' : 'No session can begin.'
    }`;
  }

  get failing(): number {
    return this.#failures.size;
  }

  #current(reference: string): Known | null {
    const known = this.#known.get(reference);
    if (known === undefined || this.#now() - known.readAt > this.#options.staleMs) return null;
    return known;
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }

  /** Never throws. */
  async #refresh(): Promise<void> {
    if (this.#stop.signal.aborted) return;
    try {
      const wanted = await this.#wanted();
      for (const [reference, triedAt] of this.#triedAt) {
        // What was read for a change that is being made is not wanted yet.
        if (wanted.has(reference) || this.#now() - triedAt < ASK_AGAIN_MS) continue;
        for (const table of [this.#known, this.#failures, this.#triedAt, this.#told]) table.delete(reference);
      }
      await Promise.all(
        [...wanted].map(async ([reference, resources]) => {
          const pause = this.#failures.has(reference) ? RETRY_MS : this.#options.refreshMs;
          if (this.#now() - (this.#triedAt.get(reference) ?? 0) >= Math.min(pause, this.#options.refreshMs))
            await this.#read(reference);
          await this.#tell(reference, resources);
        }),
      );
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#options.onFault(error);
    }
  }

  /** Active resources whose passwords are kept elsewhere, by the references. */
  async #wanted(): Promise<Map<string, Resource[]>> {
    const found = new Map<string, Resource[]>();
    for (const resource of await listResources(this.#options.db, { status: 'active' })) {
      for (const source of [resource.upstream.source, resource.admin?.source ?? null])
        if (source !== null) found.set(source, [...(found.get(source) ?? []), resource]);
    }
    return found;
  }

  async #tell(reference: string, resources: readonly Resource[]): Promise<void> {
    const known = this.#current(reference);
    // The value counts, not what the source says of its version.
    const state = known === null ? null : known.value;
    if (this.#told.has(reference) && this.#told.get(reference) === state) return;
    this.#told.set(reference, state);
    await this.#options.changed(resources);
  }

  /** One reading at a time for each reference. What fails is remembered. */
  #read(reference: string): Promise<void> {
    let reading = this.#reading.get(reference);
    if (reading === undefined) {
      reading = this.#readOnce(reference).finally(() => this.#reading.delete(reference));
      this.#reading.set(reference, reading);
    }
    return reading;
  }

  async #readOnce(text: string): Promise<void> {
    this.#triedAt.set(text, this.#now());
    try {
      const { source, reference } = this.#options.sources.find(text);
      const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(DEADLINE_MS)]);
      const { value, version } = await source.read(reference, signal);
      this.#known.set(text, { value, version, readAt: this.#now() });
      if (this.#failures.delete(text)) this.#options.onFault(null);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      const why = error instanceof Error ? error.message : String(error);
      const before = this.#failures.get(text);
      this.#failures.set(text, { why, since: before?.since ?? this.#now() });
      if (before === undefined)
        this.#options.onFault(new Error(`the secret at ${text} cannot be read: it ${why}`));
    }
  }
}
