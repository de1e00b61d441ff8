import type { RecordBase } from '../core/record.ts';
import type { ChangeLog } from '../store/changes.ts';
import type { StateDb } from '../store/store.ts';
import type { SecretBox } from '../vault/secrets.ts';
import { Authenticators } from './authenticators.ts';
import { Directories } from './directories.ts';
import { DirectoryPeople } from './directory-people.ts';
import { IdentityProviders } from './identity-providers.ts';
import { Invitations } from './invitations.ts';
import { Logins } from './logins.ts';
import { OidcClient } from './oidc-client.ts';
import { Passkeys } from './passkeys.ts';
import { RecoveryCodes } from './recovery-codes.ts';
import { Refusals } from './refusals.ts';
import { Tickets } from './tickets.ts';

/** The ways by which people come in. */
export class Doors {
  readonly tickets = new Tickets();
  readonly providers: IdentityProviders;
  readonly oidc: OidcClient;
  readonly logins: Logins;
  readonly passkeys: Passkeys;
  readonly authenticators: Authenticators;
  readonly invitations: Invitations;
  readonly recovery: RecoveryCodes;
  readonly refusals: Refusals;
  readonly directories: Directories;
  readonly directoryPeople: DirectoryPeople;

  constructor(db: StateDb, changes: ChangeLog, box: SecretBox, write: (record: RecordBase) => Promise<void>) {
    this.providers = new IdentityProviders(db, changes, box);
    this.oidc = new OidcClient(this.providers);
    this.logins = new Logins(db, changes);
    this.passkeys = new Passkeys(db, changes, this.tickets);
    this.authenticators = new Authenticators(db, changes);
    this.invitations = new Invitations(db, changes);
    this.recovery = new RecoveryCodes(db, changes);
    this.directories = new Directories(db, changes);
    this.directoryPeople = new DirectoryPeople(db, changes);
    this.refusals = new Refusals((record) => changes.exclusive(() => write(record)));
  }
}
