import type { ResourceView } from '../../core/views.ts';
import { simpleQuery, type TextRows } from './simple-query.ts';
import { connectUpstream, type Upstream } from './upstream.ts';

/** How long a connection without work is kept, in milliseconds. */
const IDLE_MS = 30_000;

/**
 * A connection of Postern's own with the administering credential of a resource, to one database of it: opened when it is
 * needed, used by one question after the other, closed when nobody asks any more.
 */
export class AdminConnection {
  readonly #resource: ResourceView;
  readonly #database: string;
  readonly #timeoutMs: number;
  #upstream: Upstream | null = null;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #idle: NodeJS.Timeout | null = null;

  /** @param resource with the administering credential as its upstream one */
  constructor(resource: ResourceView, database: string, timeoutMs: number) {
    this.#resource = resource;
    this.#database = database;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Runs statements in one transaction (a string of several is one), after those that were asked for before.
   *
   * @throws PosternError POSTERN_UPSTREAM_UNAVAILABLE, or WireError (`ServerError` where the server says why)
   */
  run(sql: string): Promise<TextRows> {
    if (this.#idle !== null) clearTimeout(this.#idle);
    this.#waiting += 1;
    const done = this.#last.then(
      () => this.#ask(sql),
      () => this.#ask(sql),
    );
    this.#last = done
      .catch(() => undefined) // the caller has it
      .then(() => {
        this.#waiting -= 1;
        if (this.#waiting === 0) this.#idle = setTimeout(() => this.close(), IDLE_MS).unref();
      });
    return done;
  }

  /** Major version of the server. Known once something was run. */
  get serverVersion(): number {
    return Number.parseInt(this.#upstream?.parameters.get('server_version') ?? '0', 10);
  }

  close(): void {
    this.#upstream?.socket.destroy();
    this.#upstream = null;
  }

  async #ask(sql: string): Promise<TextRows> {
    if (this.#upstream?.socket.destroyed ?? true) {
      const settings = new Map([
        ['application_name', 'postern roles'],
        ['client_encoding', 'UTF8'],
        ['standard_conforming_strings', 'on'],
        ['search_path', 'pg_catalog'],
        ['lock_timeout', String(this.#timeoutMs)],
        ['statement_timeout', String(this.#timeoutMs)],
      ]);
      const upstream = await connectUpstream(this.#resource, this.#database, settings, this.#timeoutMs);
      upstream.socket.on('error', () => upstream.socket.destroy());
      this.#upstream = upstream;
    }
    const upstream = this.#upstream as Upstream;
    try {
      return await simpleQuery(upstream, sql, this.#timeoutMs);
    } catch (error) {
      // Whatever it was, the next one begins on a connection that nothing is known against.
      this.close();
      throw error;
    }
  }
}
