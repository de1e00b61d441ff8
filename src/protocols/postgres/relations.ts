import type { ResourceView } from '../../core/views.ts';
import { ORIGINS_QUERY, type Origins, originsFrom } from './mask-origins.ts';
import { CATALOG_QUERY, catalogFrom, type RelationCatalog } from './names.ts';
import { simpleQuery } from './simple-query.ts';
import { connectUpstream } from './upstream.ts';

/** How long names read from a database are believed, in milliseconds. */
const BELIEVED_MS = 30_000;
const MAX_DATABASES = 256;

/**
 * The names of the databases behind the resources, read with the upstream user over a connection of their own and kept for
 * half a minute, or until a statement through this worker changed them.
 */
export class RelationCatalogs {
  readonly #known = new Map<string, Known>();
  readonly #timeoutMs: number;
  readonly #now: (resource: ResourceView) => ResourceView;

  /** @param now the resource as it is now: its password may be another than when a session began */
  constructor(timeoutMs: number, now: (resource: ResourceView) => ResourceView) {
    this.#timeoutMs = timeoutMs;
    this.#now = now;
  }

  of(resource: ResourceView, database: string): DatabaseCatalog {
    const id = JSON.stringify([resource.id, resource.host, resource.port, resource.upstream.user, database]);
    let known = this.#known.get(id);
    if (known === undefined) {
      if (this.#known.size >= MAX_DATABASES) this.#known.clear();
      known = {
        version: 0,
        catalog: null,
        origins: null,
        wantsOrigins: false,
        readAt: 0,
        changedAt: 0,
        reading: null,
      };
      this.#known.set(id, known);
    }
    return new DatabaseCatalog(known, () => this.#now(resource), database, this.#timeoutMs);
  }
}

interface Known {
  /** Grows with every reading, so that decisions made with an older one can be told. */
  version: number;
  catalog: RelationCatalog | null;
  /** Read with the names once a mask has asked for them. */
  origins: Origins | null;
  wantsOrigins: boolean;
  readAt: number;
  changedAt: number;
  reading: Promise<void> | null;
}

/** The names of one database. */
export class DatabaseCatalog {
  readonly #known: Known;
  readonly #resource: () => ResourceView;
  readonly #database: string;
  readonly #timeoutMs: number;

  constructor(known: Known, resource: () => ResourceView, database: string, timeoutMs: number) {
    this.#known = known;
    this.#resource = resource;
    this.#database = database;
    this.#timeoutMs = timeoutMs;
  }

  get version(): number {
    return this.#known.version;
  }

  /** Null when it has to be read (again) first: then {@link read} it and come back. */
  current(): RelationCatalog | null {
    return Date.now() - this.#known.readAt < BELIEVED_MS ? this.#known.catalog : null;
  }

  /** As last read, whatever has changed since; null only where they were never read. */
  latest(): RelationCatalog | null {
    return this.#known.catalog;
  }

  /** Of the names in {@link current}; null when they have to be read first. */
  origins(): Origins | null {
    this.#known.wantsOrigins = true;
    return this.#known.origins;
  }

  /** Reads the names; sessions that ask at the same time share one reading. Fails as `connectUpstream` does. */
  read(): Promise<void> {
    this.#known.reading ??= this.#read().finally(() => {
      this.#known.reading = null;
    });
    return this.#known.reading;
  }

  /** A statement may have changed the names. */
  invalidate(): void {
    this.#known.readAt = 0;
    this.#known.changedAt = Date.now();
  }

  async #read(): Promise<void> {
    const known = this.#known;
    const startedAt = Date.now();
    const parameters = new Map([
      ['application_name', 'postern names'],
      ['client_encoding', 'UTF8'],
    ]);
    const upstream = await connectUpstream(this.#resource(), this.#database, parameters, this.#timeoutMs);
    try {
      const rows = await simpleQuery(upstream, CATALOG_QUERY, this.#timeoutMs);
      known.catalog = catalogFrom(
        rows.map(([kind, schema, name, oid = null, relkind = null, columns = null]) => ({
          kind: kind ?? '',
          schema: schema ?? '',
          name: name ?? '',
          oid,
          relkind,
          columns,
        })),
      );
      known.origins = known.wantsOrigins
        ? originsFrom(await simpleQuery(upstream, ORIGINS_QUERY, this.#timeoutMs))
        : null;
      // What changed while it was being read may be missing in it.
      known.readAt = known.changedAt >= startedAt ? 0 : startedAt;
      known.version += 1;
    } finally {
      upstream.socket.destroy();
    }
  }
}
