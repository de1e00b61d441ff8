import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { networkOf } from './networks.ts';

/** Networks kept of one principal: those seen last. */
export const NETWORKS_MAX = 64;

interface Seen {
  readonly first: number;
  last: number;
  sessions: number;
}

/** When principals were last used, and from which networks. Written with {@link flush}. */
export class UseTable {
  readonly #uses = new Map<number, number>();
  readonly #sources = new Map<number, Map<string, Seen>>();
  readonly #putUse: StatementSync;
  readonly #putSource: StatementSync;
  readonly #cut: StatementSync;

  constructor(db: DatabaseSync) {
    this.#putUse = db.prepare(
      'INSERT INTO last_uses (principal, time) VALUES (?, ?) ON CONFLICT DO UPDATE SET time = max(time, excluded.time)',
    );
    this.#putSource = db.prepare(
      'INSERT INTO sources (principal, network, first, last, sessions) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET ' +
        'first = min(first, excluded.first), last = max(last, excluded.last), sessions = sessions + excluded.sessions',
    );
    this.#cut = db.prepare(
      'DELETE FROM sources WHERE principal = ?1 AND network NOT IN ' +
        `(SELECT network FROM sources WHERE principal = ?1 ORDER BY last DESC, network LIMIT ${NETWORKS_MAX})`,
    );
  }

  /** @param time microseconds since the Unix epoch */
  used(principal: number, time: number): void {
    if (principal !== 0 && time > (this.#uses.get(principal) ?? 0)) this.#uses.set(principal, time);
  }

  /** A session that was opened. @param source the client's `host:port` */
  opened(principal: number, source: unknown, time: number): void {
    this.used(principal, time);
    const network = typeof source === 'string' ? networkOf(source) : null;
    if (principal === 0 || network === null) return;
    let networks = this.#sources.get(principal);
    if (networks === undefined) {
      networks = new Map();
      this.#sources.set(principal, networks);
    }
    const seen = networks.get(network);
    if (seen === undefined) networks.set(network, { first: time, last: time, sessions: 1 });
    else {
      seen.last = Math.max(seen.last, time);
      seen.sessions += 1;
    }
  }

  /** Writes what was added. Within the transaction of the batch. */
  flush(): void {
    for (const [principal, time] of this.#uses) this.#putUse.run(principal, time);
    for (const [principal, networks] of this.#sources) {
      for (const [network, { first, last, sessions }] of networks) {
        this.#putSource.run(principal, network, first, last, sessions);
      }
      this.#cut.run(principal);
    }
    this.drop();
  }

  /** After a batch that failed, nothing in memory may claim to be in the file. */
  drop(): void {
    this.#uses.clear();
    this.#sources.clear();
  }
}
