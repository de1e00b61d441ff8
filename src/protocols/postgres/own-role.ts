/** The role of one session in the database (`session-roles.ts`), and how it gets what grants give that are made during the session. */
import type { DatabaseIdentity, Decider } from './decide.ts';
import type { DatabaseCatalog } from './relations.ts';
import type { SessionRole, SessionRoles } from './session-roles.ts';

/** The role that was made for a session. */
export interface MadeRole {
  readonly role: SessionRole;
  readonly roles: SessionRoles;
  readonly database: string;
}

/** What it needs of its session. */
export interface RoleHolder {
  readonly who: DatabaseIdentity;
  readonly catalog: DatabaseCatalog;
  readonly decider: Decider;
}

export class OwnRole {
  readonly #made: MadeRole;
  readonly #session: RoleHolder;
  /** There may be grants that the role does not have. */
  #mayJoin = false;
  #joining = false;

  constructor(made: MadeRole, session: RoleHolder) {
    this.#made = made;
    this.#session = session;
  }

  /** The names of the database were read, or grants changed: the roles of grants get what they are due. */
  async namesRead(): Promise<void> {
    const { who, catalog } = this.#session;
    const names = catalog.current();
    if (names === null) return;
    const { roles, database } = this.#made;
    // Where that fails, the database refuses what it has not been told of.
    await roles.refresh({ resource: who.resource, database, catalog: names }).catch((error: unknown) => {
      console.error(
        `postern: session ${who.session}: privileges of roles are not up to date: ${String(error)}`,
      );
    });
  }

  /** @param changed whether there may be grants that it has not seen */
  recheck(changed: boolean): void {
    if (changed) {
      this.#mayJoin = true;
      // A grant may have been narrowed.
      void this.namesRead();
    }
    if (this.#mayJoin) this.#join();
  }

  /** A grant that was made during the session counts once the role has it too. */
  #join(): void {
    const { who, catalog, decider } = this.#session;
    const names = catalog.current();
    const grants = decider.notJoined(Date.now());
    if (this.#joining || (grants.length > 0 && names === null)) return;
    this.#mayJoin = false;
    if (grants.length === 0 || names === null) return;
    const { role, roles, database } = this.#made;
    const { session, principal, resource } = who;
    this.#joining = true;
    roles
      .join(role, { session, principal: principal.name, resource, database, grants, catalog: names })
      .then(
        () => decider.grantsChanged(),
        (error: unknown) =>
          console.error(`postern: session ${session}: a new grant does not count yet: ${String(error)}`),
      )
      .finally(() => {
        this.#joining = false;
      });
  }
}
