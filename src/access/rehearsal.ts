import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'kysely';
import { uuidv7 } from '../core/ids.ts';
import { Bindings } from '../identity/bindings.ts';
import { endingsBehindChanges } from '../identity/endings.ts';
import { Possession } from '../identity/possession.ts';
import { Principals } from '../identity/principals.ts';
import { ChangeLog } from '../store/changes.ts';
import { ensureDirectory, touchPrivate } from '../store/files.ts';
import { type StateDb, Store } from '../store/store.ts';
import type { SecretBox } from '../vault/secrets.ts';
import type { SecretSources } from '../vault/sources/sources.ts';
import { Masks } from './masks.ts';
import { Policies } from './policies.ts';
import { ResourceSecrets, type Sourced } from './resource-secrets.ts';
import { Resources } from './resources.ts';

/** What can be tried out. */
export interface Rehearsed {
  readonly principals: Principals;
  readonly bindings: Bindings;
  readonly possession: Possession;
  readonly resources: Resources;
  readonly masks: Masks;
  readonly policies: Policies;
}

interface Original {
  readonly dataDir: string;
  readonly db: StateDb;
  readonly changes: ChangeLog;
  readonly box: SecretBox;
  readonly sources: SecretSources;
}

/**
 * Works on a copy of the state that is thrown away afterwards: all checks and constraints speak, no record is written, no worker is
 * told, and other changes wait only while the copy is made. Issuers are not asked for their keys.
 */
export async function rehearse<T>(
  { dataDir, db, changes, box, sources }: Original,
  work: (copy: Rehearsed) => Promise<T>,
): Promise<T> {
  const directory = join(dataDir, 'work');
  ensureDirectory(directory);
  const file = join(directory, `rehearsal-${uuidv7()}.db`);
  touchPrivate(file);
  try {
    await changes.settle();
    await changes.exclusive(() => sql`VACUUM INTO ${file}`.execute(db));
    const store = Store.open(file);
    try {
      // Nobody needs it after a power cut.
      await sql`PRAGMA synchronous = OFF`.execute(store.db);
      const nothing = async (): Promise<void> => undefined;
      const nowhere = { append: () => undefined, flush: () => undefined };
      const log = new ChangeLog({
        ...{ store, sink: nowhere, deliver: nothing, withdraw: nothing },
        behind: endingsBehindChanges,
      });
      return await work({
        principals: new Principals(store.db, log),
        bindings: new Bindings(store.db, log, nothing),
        possession: new Possession(log),
        resources: new Resources(store.db, log, new ResourceSecrets(store.db, box, unasked(sources))),
        masks: new Masks(store.db, log),
        policies: new Policies(store.db, log),
      });
    } finally {
      await store.close();
    }
  } finally {
    for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true });
  }
}

/** References are looked at and nobody is asked for what is there. */
function unasked(sources: SecretSources): Sourced {
  return {
    prepare: async (reference) => void sources.find(reference),
    login: (user) => ({ user, password: '', sourced: true, unavailable: true }),
  };
}
