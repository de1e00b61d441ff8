import { type TokenKey, tokenKeys } from '../core/jws.ts';
import type { IssuerView } from '../core/views.ts';
import type { fetchIssuerKeys } from '../identity/issuers.ts';
import type { KeySource } from '../store/entities.ts';

/** How often keys are fetched anew: a key that the issuer withdraws is trusted for so long at most while the issuer answers. */
const REFRESH_MS = 5 * 60_000;
/** After this long without an answer the keys that were known are not trusted any more: one of them may have been withdrawn. */
const TRUSTED_MS = 6 * 3_600_000;
/** A token with an unknown key, and a second binding to the same issuer, do not have it asked again so soon. */
const ASK_MS = 10_000;

interface Known {
  readonly jwks: object;
  readonly keys: readonly TokenKey[];
  readonly fetchedMs: number;
}

interface Asked {
  readonly source: KeySource;
  readonly atMs: number;
  readonly error: string | null;
}

/** What is known of an issuer. Times are milliseconds since the Unix epoch. */
export interface IssuerStatus {
  readonly issuer: string;
  /** `late`: its keys are trusted, but it did not answer when it was last asked; `unknown`: its tokens are refused. */
  readonly state: 'current' | 'late' | 'unknown';
  readonly keys: readonly { readonly kid: string | null; readonly alg: string }[];
  readonly fetchedAt: number | null;
  readonly askedAt: number | null;
  /** Until when the keys are trusted if it does not answer. */
  readonly trustedUntil: number | null;
  readonly error: string | null;
}

export interface IssuersOptions {
  /** Issuers of the bindings that hold, and where their keys are. */
  readonly wanted: () => Promise<ReadonlyMap<string, KeySource>>;
  /** Tells the workers. */
  readonly publish: (issuers: readonly IssuerView[]) => Promise<void>;
  readonly onFault: (error: unknown) => void;
  readonly fetch: typeof fetchIssuerKeys;
  /** Milliseconds since the Unix epoch. */
  readonly now?: () => number;
}

/** The keys of OIDC issuers: fetched by the control process alone, and sent to the workers. */
export class Issuers {
  readonly #options: IssuersOptions;
  readonly #now: () => number;
  readonly #known = new Map<string, Known>();
  readonly #asked = new Map<string, Asked>();
  /** One question at a time to an issuer: a late answer cannot take the place of a newer one. */
  readonly #asking = new Map<string, Promise<void>>();
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: IssuersOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /** What is known, for a fresh worker. */
  views(): IssuerView[] {
    return [...this.#known].map(([issuer, { jwks }]) => ({ issuer, jwks }));
  }

  /** The keys of an issuer with which tokens can be verified; none where they are not known. */
  keysOf(issuer: string): readonly TokenKey[] {
    return this.#known.get(issuer)?.keys ?? [];
  }

  status(): IssuerStatus[] {
    const names = new Set([...this.#known.keys(), ...this.#asked.keys()]);
    return [...names].sort().map((issuer) => {
      const known = this.#known.get(issuer);
      const asked = this.#asked.get(issuer);
      const error = asked?.error ?? null;
      return {
        issuer,
        state: known === undefined ? 'unknown' : error === null ? 'current' : 'late',
        keys: (known?.keys ?? []).map(({ kid, alg }) => ({ kid, alg })),
        fetchedAt: known?.fetchedMs ?? null,
        askedAt: asked?.atMs ?? null,
        trustedUntil: known === undefined ? null : known.fetchedMs + TRUSTED_MS,
        error,
      };
    });
  }

  /**
   * Gets hold of the keys of an issuer for a binding that is being made.
   *
   * @throws PosternError POSTERN_INVALID when it cannot be asked
   */
  async prepare(issuer: string, source: KeySource): Promise<void> {
    const asked = this.#asked.get(issuer);
    const fresh = this.#known.has(issuer) && asked?.error === null && this.#now() - asked.atMs < ASK_MS;
    if (!fresh || JSON.stringify(asked.source) !== JSON.stringify(source)) await this.#fetch(issuer, source);
  }

  /** Asks an issuer that is known anew, unless that was a moment ago. Never throws. */
  async ask(issuer: string): Promise<void> {
    const asked = this.#asked.get(issuer);
    if (asked === undefined) return;
    if (this.#now() - asked.atMs >= ASK_MS) await this.#again(issuer, asked.source);
    else await this.#asking.get(issuer)?.catch(() => undefined);
  }

  /** Fetches now and from then on every five minutes, in the background. */
  start(): void {
    if (this.#timer !== null) return;
    const refresh = (): void => {
      this.#running = this.#running.then(() => this.refresh());
    };
    this.#timer = setInterval(refresh, REFRESH_MS);
    this.#timer.unref();
    refresh();
  }

  /** An answer that is still awaited comes too late, and is let go. */
  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  /** Asks every issuer that is bound, and forgets the others. */
  async refresh(): Promise<void> {
    if (this.#closed) return;
    try {
      const wanted = await this.#options.wanted();
      for (const issuer of [...this.#asked.keys()]) if (!wanted.has(issuer)) await this.#forget(issuer);
      await Promise.all([...wanted].map(([issuer, source]) => this.#again(issuer, source)));
    } catch (error) {
      if (!this.#closed) this.#options.onFault(error);
    }
  }

  async #again(issuer: string, source: KeySource): Promise<void> {
    try {
      await this.#fetch(issuer, source);
    } catch (error) {
      if (this.#closed) return;
      this.#options.onFault(error);
      const known = this.#known.get(issuer);
      if (known !== undefined && this.#now() - known.fetchedMs > TRUSTED_MS) {
        this.#known.delete(issuer);
        await this.#options.publish([{ issuer, jwks: {} }]);
      }
    }
  }

  async #fetch(issuer: string, source: KeySource): Promise<void> {
    for (let under = this.#asking.get(issuer); under !== undefined; under = this.#asking.get(issuer)) {
      if (JSON.stringify(this.#asked.get(issuer)?.source) === JSON.stringify(source)) return under;
      // An answer from elsewhere is not the one that is wanted.
      await under.catch(() => undefined);
    }
    const asking = this.#askNow(issuer, source).finally(() => this.#asking.delete(issuer));
    this.#asking.set(issuer, asking);
    return asking;
  }

  async #askNow(issuer: string, source: KeySource): Promise<void> {
    const atMs = this.#now();
    this.#asked.set(issuer, { source, atMs, error: this.#asked.get(issuer)?.error ?? null });
    try {
      const { jwks } = await this.#options.fetch(issuer, source);
      if (this.#closed) return;
      const same = JSON.stringify(this.#known.get(issuer)?.jwks) === JSON.stringify(jwks);
      this.#known.set(issuer, { jwks, keys: tokenKeys(jwks), fetchedMs: atMs });
      this.#asked.set(issuer, { source, atMs, error: null });
      if (!same) await this.#options.publish([{ issuer, jwks }]);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#asked.set(issuer, { source, atMs, error: why });
      throw error;
    }
  }

  async #forget(issuer: string): Promise<void> {
    this.#asked.delete(issuer);
    if (!this.#known.delete(issuer)) return;
    await this.#options.publish([{ issuer, jwks: {} }]);
  }
}
