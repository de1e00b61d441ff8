import { type TokenKey, tokenKeys } from '../core/jws.ts';
import type { IssuerView } from '../core/views.ts';
import type { fetchIssuerKeys } from '../identity/issuers.ts';

/** How often keys are fetched anew. An issuer that rotates its keys publishes the next one well before it signs with it. */
const REFRESH_MS = 5 * 60_000;
/** After this long without an answer the keys that were known are not trusted any more: one of them may have been withdrawn. */
const STALE_MS = 24 * 3_600_000;
/** A second binding to the same issuer does not ask again so soon. */
const FRESH_MS = 60_000;

interface Known {
  readonly jwks: object;
  readonly keys: readonly TokenKey[];
  readonly fetchedMs: number;
}

export interface IssuersOptions {
  /** Issuers of the bindings that hold. */
  readonly wanted: () => Promise<readonly string[]>;
  /** Tells the workers. */
  readonly publish: (issuers: readonly IssuerView[]) => Promise<void>;
  readonly onFault: (error: unknown) => void;
  readonly fetch: typeof fetchIssuerKeys;
}

/** The keys of OIDC issuers: fetched by the control process alone, and sent to the workers, which ask nobody. */
export class Issuers {
  readonly #options: IssuersOptions;
  readonly #known = new Map<string, Known>();
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: IssuersOptions) {
    this.#options = options;
  }

  /** What is known, for a fresh worker. */
  views(): IssuerView[] {
    return [...this.#known].map(([issuer, { jwks }]) => ({ issuer, jwks }));
  }

  /** The keys of an issuer with which tokens can be verified; none where they are not known. */
  keysOf(issuer: string): readonly TokenKey[] {
    return this.#known.get(issuer)?.keys ?? [];
  }

  /** Gets hold of the keys of an issuer. @throws PosternError POSTERN_INVALID when it cannot be asked */
  async prepare(issuer: string): Promise<void> {
    const known = this.#known.get(issuer);
    if (known === undefined || Date.now() - known.fetchedMs > FRESH_MS) await this.#fetch(issuer);
  }

  /** Fetches now and from then on every five minutes, in the background. */
  start(): void {
    if (this.#timer !== null) return;
    const refresh = (): void => {
      this.#running = this.#running.then(() => this.#refresh());
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

  async #refresh(): Promise<void> {
    if (this.#closed) return;
    try {
      const wanted = new Set(await this.#options.wanted());
      for (const issuer of this.#known.keys()) if (!wanted.has(issuer)) await this.#forget(issuer);
      await Promise.all([...wanted].map((issuer) => this.#again(issuer)));
    } catch (error) {
      if (!this.#closed) this.#options.onFault(error);
    }
  }

  async #again(issuer: string): Promise<void> {
    try {
      await this.#fetch(issuer);
    } catch (error) {
      if (this.#closed) return;
      this.#options.onFault(error);
      const known = this.#known.get(issuer);
      if (known !== undefined && Date.now() - known.fetchedMs > STALE_MS) await this.#forget(issuer);
    }
  }

  async #fetch(issuer: string): Promise<void> {
    const { jwks } = await this.#options.fetch(issuer);
    if (this.#closed) return;
    this.#known.set(issuer, { jwks, keys: tokenKeys(jwks), fetchedMs: Date.now() });
    await this.#options.publish([{ issuer, jwks }]);
  }

  async #forget(issuer: string): Promise<void> {
    this.#known.delete(issuer);
    await this.#options.publish([{ issuer, jwks: {} }]);
  }
}
