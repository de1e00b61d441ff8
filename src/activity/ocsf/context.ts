import type { Authority, Delegator, Ref } from '../../core/record.ts';
import type { LeafRecord } from '../../ledger/leaf.ts';

type After = Readonly<Record<string, unknown>>;

/** What a session said when it was opened. */
export interface SessionContext {
  readonly source: string;
  readonly openedAt: string;
  readonly credential: string | null;
  readonly database: string | null;
  readonly upstreamUser: string | null;
  readonly client: string | null;
  readonly protocol: string;
  readonly delegation: readonly Delegator[];
}

export interface GrantContext {
  readonly scope: string;
  readonly end: string;
  readonly authority: Authority;
}

export interface ResourceContext {
  readonly host: string;
  readonly port: number;
  readonly environment: string | null;
  readonly classification: string | null;
}

/**
 * What events say beside their own record: who answers for a principal, on whose authority a grant is, where a session came from.
 * Folded from the leaves before an event, so that an event says what was so at its time.
 */
export class OcsfContext {
  readonly #owners = new Map<string, Ref>();
  readonly #grants = new Map<string, GrantContext>();
  readonly #resources = new Map<string, ResourceContext>();
  readonly #sessions = new Map<string, SessionContext>();
  readonly #forgets: boolean;

  /** `forgets`: sessions are forgotten once they are closed, which the event of their closing may still ask for. */
  constructor({ forgets }: { readonly forgets: boolean }) {
    this.#forgets = forgets;
  }

  /** Takes the records of one leaf after the other, each before its own event is made. */
  take(record: LeafRecord): void {
    if (record.type === 'session.opened') this.#open(record);
    const change = record.change as { entity: string; id: string; after: After } | undefined;
    if (change !== undefined) this.#change(change.entity, change.id, change.after);
  }

  /** To be called after the event of a leaf was made. */
  done(record: LeafRecord): void {
    if (this.#forgets && record.type === 'session.closed') this.#sessions.delete(String(record.session));
  }

  session(id: unknown): SessionContext | undefined {
    return this.#sessions.get(String(id));
  }

  owner(principal: string): Ref | undefined {
    return this.#owners.get(principal);
  }

  grant(id: unknown): GrantContext | undefined {
    return this.#grants.get(String(id));
  }

  resource(id: string): ResourceContext | undefined {
    return this.#resources.get(id);
  }

  #open(record: LeafRecord): void {
    this.#sessions.set(String(record.session), {
      source: String(record.source),
      openedAt: record.time,
      credential: text(record.credential),
      database: text(record.database),
      upstreamUser: text(record.upstreamUser),
      client: text(record.client),
      protocol: String(record.protocol),
      delegation: (record.delegation ?? []) as readonly Delegator[],
    });
  }

  #change(entity: string, id: string, after: After): void {
    if (entity === 'principal') {
      const { id: ownerId, name } = (after.owner ?? {}) as Partial<Ref>;
      if (ownerId !== undefined && name !== undefined) this.#owners.set(id, { id: ownerId, name });
    } else if (entity === 'grant') {
      const authority = after.authority as Authority;
      this.#grants.set(id, { scope: String(after.scope), end: String(after.end), authority });
    } else if (entity === 'resource') {
      this.#resources.set(id, {
        host: String(after.host),
        port: Number(after.port),
        environment: text(after.environment),
        classification: text(after.classification),
      });
    }
  }
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
