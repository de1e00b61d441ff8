import type { ChangeRecord } from '../core/record.ts';
import type { Bundle } from '../core/spiffe.ts';
import { TrustStore } from '../core/trust.ts';
import type { TrustView } from '../core/views.ts';
import { type fetchBundle, parseBundle } from '../identity/bundles.ts';
import { readAuthorities } from '../identity/trust.ts';
import type { Trust } from '../store/entities.ts';

/** Where a bundle gives no hint, in seconds; and the bounds within which its hint is followed. */
const HINT_DEFAULT = 300;
const HINT_LEAST = 60;
const HINT_MOST = 3600;
/** How often it is looked whether a bundle is due, in milliseconds. */
const LOOK_MS = 15_000;
/** After this long without an answer what was known is not trusted any more: some of it may have been withdrawn. */
const STALE_MS = 24 * 3_600_000;

interface Known {
  readonly bundle: Bundle;
  readonly fetchedMs: number;
}

export interface TrustKeysOptions {
  /** What is trusted. */
  readonly list: () => Promise<readonly Trust[]>;
  /** Tells the workers. */
  readonly publish: (views: readonly TrustView[]) => Promise<void>;
  readonly onFault: (error: unknown) => void;
  readonly fetch: typeof fetchBundle;
}

/** How fresh a bundle is that is fetched. */
export interface BundleState {
  readonly fetchedAt: string | null;
  /** What the last attempt said; null when it worked. */
  readonly error: string | null;
}

/**
 * The keys of what is trusted: those that were given, and the bundles that are fetched, by the control process alone. Workers are
 * sent them and ask nobody.
 */
export class TrustKeys {
  /** What this process itself trusts, for the exchange. */
  readonly store = new TrustStore();
  readonly #options: TrustKeysOptions;
  readonly #known = new Map<string, Known>();
  readonly #errors = new Map<string, string>();
  readonly #tried = new Map<string, number>();
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: TrustKeysOptions) {
    this.#options = options;
  }

  /** What workers know of these; own knowledge follows. */
  views(all: readonly Trust[]): TrustView[] {
    const views = all.flatMap((trust) => this.#view(trust));
    this.store.merge(views);
    return views;
  }

  /** As {@link views}, of what records change. */
  changed(records: readonly ChangeRecord[]): TrustView[] {
    const of = records.filter(({ change }) => change.entity === 'trust');
    return this.views(of.map(({ change }) => change.after as Trust));
  }

  /** Gets hold of a bundle. @throws PosternError POSTERN_INVALID */
  async prepare(url: string): Promise<void> {
    this.#keep(url, await this.#options.fetch(url));
  }

  state({ url }: Trust): BundleState | null {
    if (url === null) return null;
    const known = this.#known.get(url);
    return {
      fetchedAt: known === undefined ? null : new Date(known.fetchedMs).toISOString(),
      error: this.#errors.get(url) ?? null,
    };
  }

  /** Fetches what is due, now and from then on, in the background. */
  start(): void {
    if (this.#timer !== null) return;
    const look = (): void => {
      this.#running = this.#running.then(() => this.#refresh());
    };
    this.#timer = setInterval(look, LOOK_MS);
    this.#timer.unref();
    look();
  }

  /** An answer that is still awaited comes too late, and is let go. */
  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  #keep(url: string, bundle: Bundle): void {
    this.#known.set(url, { bundle, fetchedMs: Date.now() });
    this.#tried.set(url, Date.now());
    this.#errors.delete(url);
  }

  #view({ id, kind, name, url, keys, status }: Trust): TrustView[] {
    if (kind === 'ssh') return [];
    const nothing = { id, kind, name, certificates: [], jwks: [], status };
    if (status === 'removed') return [nothing];
    if (kind === 'x509') {
      const certificates = readAuthorities(keys ?? '').map(({ x509 }) => x509.raw.toString('base64'));
      return [{ ...nothing, certificates }];
    }
    const bundle = url === null ? parseBundle(keys ?? '') : this.#known.get(url)?.bundle;
    if (bundle === undefined || bundle === null) return [nothing];
    const certificates = bundle.x509.map(({ x509 }) => x509.raw.toString('base64'));
    return [{ ...nothing, certificates, jwks: bundle.jwks }];
  }

  async #refresh(): Promise<void> {
    if (this.#closed) return;
    try {
      const fetched = (await this.#options.list()).filter(({ url }) => url !== null);
      const urls = new Set(fetched.map(({ url }) => url));
      for (const url of this.#known.keys()) if (!urls.has(url)) this.#known.delete(url);
      await Promise.all(fetched.map((trust) => this.#again(trust, trust.url as string)));
    } catch (error) {
      if (!this.#closed) this.#options.onFault(error);
    }
  }

  async #again(trust: Trust, url: string): Promise<void> {
    const known = this.#known.get(url);
    const hint = Math.min(Math.max(known?.bundle.refreshHint ?? HINT_DEFAULT, HINT_LEAST), HINT_MOST);
    const pause = known === undefined ? HINT_LEAST : hint;
    if (Date.now() - (this.#tried.get(url) ?? 0) < pause * 1000) return;
    this.#tried.set(url, Date.now());
    try {
      const bundle = await this.#options.fetch(url);
      if (this.#closed) return;
      this.#keep(url, bundle);
    } catch (error) {
      if (this.#closed) return;
      this.#errors.set(url, error instanceof Error ? error.message : String(error));
      this.#options.onFault(error);
      if (known === undefined || Date.now() - known.fetchedMs <= STALE_MS) return;
      this.#known.delete(url);
    }
    await this.#options.publish(this.views([trust]));
  }
}
