import { randomBytes } from 'node:crypto';
import type { StateDb } from '../store/store.ts';
import type { SecretBox } from './secrets.ts';

/** A random secret of this installation, 32 bytes, made once and kept sealed in the settings under its name. */
export async function sealedSetting(db: StateDb, box: SecretBox, name: string): Promise<Buffer> {
  const context = `setting:${name}`;
  const row = await db.selectFrom('settings').select('value').where('name', '=', name).executeTakeFirst();
  if (row) return box.open(row.value, context);
  const secret = randomBytes(32);
  await db
    .insertInto('settings')
    .values({ name, value: box.seal(secret, context) })
    .execute();
  return secret;
}
