/** Makes a data directory what it would be if Postern 0.1 had written it, from before there was a keyring. */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Seal } from '../../src/ledger/seal.ts';
import { Keyring } from '../../src/vault/keyring.ts';
import { SEALED_SETTINGS } from '../../src/vault/sealed-setting.ts';
import { SecretBox } from '../../src/vault/secrets.ts';

const aes = (key: Uint8Array, aad: string, data: Uint8Array): Buffer => {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(aad));
  const parts = [cipher.update(data), cipher.final()];
  return Buffer.concat([nonce, ...parts, cipher.getAuthTag()]);
};

/** Of a Postern that does not run. Afterwards everything is sealed under `master.key` itself, in the forms of 0.1. */
export async function makeOldDirectory(dataDir: string): Promise<void> {
  const { keys } = await Keyring.open({ dataDir });
  const box = new SecretBox(keys);
  const master = Buffer.from(readFileSync(join(dataDir, 'master.key'), 'utf8').trim(), 'base64');
  const boxKey = Buffer.from(hkdfSync('sha256', master, '', 'postern vault v1', 32));
  const state = new DatabaseSync(join(dataDir, 'state.db'));
  const values = [
    ['settings', 'value', 'name', 'setting:'],
    ['vault_secrets', 'sealed', 'id', 'resource:'],
    ['vault_admin_secrets', 'sealed', 'id', 'resource-admin:'],
  ] as const;
  for (const [table, column, id, prefix] of values) {
    const names = SEALED_SETTINGS.map((name) => `'${name}'`).join();
    const where = table === 'settings' ? `WHERE name IN (${names})` : '';
    for (const row of state.prepare(`SELECT ${id} AS id, ${column} AS sealed FROM ${table} ${where}`).all()) {
      const context = `${prefix}${String(row.id)}`;
      const old = Buffer.concat([
        Buffer.of(1),
        aes(boxKey, context, box.open(row.sealed as Uint8Array, context)),
      ]);
      state.prepare(`UPDATE ${table} SET ${column} = ? WHERE ${id} = ?`).run(old, row.id as string);
    }
  }
  state.close();
  const payloads = new DatabaseSync(join(dataDir, 'payloads.db'));
  for (const row of payloads.prepare('SELECT n, principal, day, kind, wrapped FROM data_keys').all()) {
    const aad = `postern-payload-key\n${row.principal}\n${row.day}\n${row.kind}`;
    const wrapped = Buffer.from(row.wrapped as Uint8Array).subarray(5);
    const decipher = createDecipheriv(
      'aes-256-gcm',
      keys.wrapping(keys.current) ?? Buffer.alloc(0),
      wrapped.subarray(0, 12),
    );
    decipher.setAAD(Buffer.from(aad)).setAuthTag(wrapped.subarray(-16));
    const key = Buffer.concat([decipher.update(wrapped.subarray(12, -16)), decipher.final()]);
    payloads
      .prepare('UPDATE data_keys SET wrapped = ? WHERE n = ?')
      .run(aes(master, aad, key), row.n as number);
  }
  payloads.close();
  resealSequencer(join(dataDir, 'log', 'sequencer.db'), master);
  rmSync(join(dataDir, 'keyring.json'));
}

function resealSequencer(file: string, master: Buffer): void {
  const db = new DatabaseSync(file);
  const seal = new Seal(createHmac('sha256', master).update('postern-sequencer-seal').digest());
  for (const { file: name, position, skip } of db.prepare('SELECT * FROM journals').all())
    seal.add(`journal ${name}\n${position} ${skip}`);
  for (const { principal, next } of db.prepare('SELECT * FROM sequences').all())
    seal.add(`sequence ${principal}\n${next}`);
  const log = db.prepare('SELECT size, root FROM log').get();
  const root = Buffer.from(log?.root as Uint8Array);
  db.prepare('UPDATE seal SET tag = ?').run(seal.tag(`${log?.size} ${root.toString('hex')}`));
  db.close();
}
