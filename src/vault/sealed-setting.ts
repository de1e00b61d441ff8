import { randomBytes } from 'node:crypto';
import type { StateDb } from '../store/store.ts';
import type { SecretBox } from './secrets.ts';

/** Settings whose values are sealed. They are sealed anew when the keys change, so each must stand here. */
export const SEALED_SETTINGS = ['scram_salt_secret', 'mask_key', 'ssh_ca', 'token_keys'] as const;
type SealedSetting = (typeof SEALED_SETTINGS)[number];

/** A random secret of this installation, 32 bytes, made once and kept sealed in the settings under its name. */
export async function sealedSetting(db: StateDb, box: SecretBox, name: SealedSetting): Promise<Buffer> {
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
