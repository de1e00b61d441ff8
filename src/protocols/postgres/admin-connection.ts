import type { ResourceView } from '../../core/views.ts';
import { ConnectionLost, simpleQuery, type TextRows } from './simple-query.ts';
import { connectUpstream, type Upstream } from './upstream.ts';

/** How long a connection without work is kept, in milliseconds. */
const IDLE_MS = 30_000;

/**
 * A connection of Postern's own with the administering credential of a resource, to one database of it: opened when it is
 * needed, used by one question after the other, closed when nobody asks any more.
 */
export class AdminConnection {
  #resource: ResourceView;
  readonly #database: string;
  readonly #timeoutMs: number;
  #upstream: Upstream | null = null;
  /** With what the connection was made. */
  #madeFor: ResourceView;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #idle: NodeJS.Timeout | null = null;

  /** @param resource with the administering credential as its upstream one */
  constructor(resource: ResourceView, database: string, timeoutMs: number) {
    this.#resource = resource;
    this.#madeFor = resource;
    this.#database = database;
    this.#timeoutMs = timeoutMs;
  }

  /** From now on as `resource` says: its credential, address and TLS may have been changed. */
  follow(resource: ResourceView): void {
    this.#resource = resource;
  }

  /**
   * Runs statements in one transaction (a string of several is one), after those that were asked for before. They may be run
   * twice, where the connection was lost before the answer came.
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
    if (this.#madeFor !== this.#resource) this.close();
    const kept = this.#upstream !== null && !this.#upstream.socket.destroyed;
    try {
      return await this.#askOnce(sql);
    } catch (error) {
      // That a connection was lost while nobody used it is found out by using it.
      if (!kept || !(error instanceof ConnectionLost)) throw error;
      return await this.#askOnce(sql);
    }
  }

  async #askOnce(sql: string): Promise<TextRows> {
    if (this.#upstream?.socket.destroyed ?? true) {
      this.#madeFor = this.#resource;
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
