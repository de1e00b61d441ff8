import type { StateDb } from '../store/store.ts';
import { SEALED_SETTINGS } from './sealed-setting.ts';
import { keyNumberOf, type SecretBox } from './secrets.ts';

/** A sealed value of the state, and what it belongs to. */
interface Place {
  readonly context: string;
  readonly sealed: Uint8Array;
  put(db: StateDb, sealed: Buffer): Promise<unknown>;
}

async function places(db: StateDb): Promise<Place[]> {
  const settings = await db.selectFrom('settings').selectAll().where('name', 'in', SEALED_SETTINGS).execute();
  const upstream = await db.selectFrom('vault_secrets').selectAll().execute();
  const admin = await db.selectFrom('vault_admin_secrets').selectAll().execute();
  const channels = await db.selectFrom('channel_secrets').selectAll().execute();
  const links = await db.selectFrom('link_secrets').selectAll().execute();
  const clients = await db.selectFrom('identity_provider_secrets').selectAll().execute();
  const sinks = await db.selectFrom('sink_secrets').selectAll().execute();
  return [
    ...settings.map(({ name, value }) => ({
      context: `setting:${name}`,
      sealed: value,
      put: (tx: StateDb, sealed: Buffer) =>
        tx.updateTable('settings').set({ value: sealed }).where('name', '=', name).execute(),
    })),
    ...upstream.map(({ id, sealed: value }) => ({
      context: `resource:${id}`,
      sealed: value,
      put: (tx: StateDb, sealed: Buffer) =>
        tx.updateTable('vault_secrets').set({ sealed }).where('id', '=', id).execute(),
    })),
    ...admin.map(({ id, sealed: value }) => ({
      context: `resource-admin:${id}`,
      sealed: value,
      put: (tx: StateDb, sealed: Buffer) =>
        tx.updateTable('vault_admin_secrets').set({ sealed }).where('id', '=', id).execute(),
    })),
    ...channels.map(({ channel_id: id, name, sealed: value }) => ({
      context: `channel:${id}:${name}`,
      sealed: value,
      put: (tx: StateDb, sealed: Buffer) =>
        tx
          .updateTable('channel_secrets')
          .set({ sealed })
          .where('channel_id', '=', id)
          .where('name', '=', name)
          .execute(),
    })),
    ...links.map(({ link_id: id, sealed: value }) => ({
      context: `link:${id}`,
      sealed: value,
      put: (tx: StateDb, sealed: Buffer) =>
        tx.updateTable('link_secrets').set({ sealed }).where('link_id', '=', id).execute(),
    })),
    ...sinks.map(({ sink_id: id, sealed: value }) => ({
      context: `sink:${id}`,
      sealed: value,
      put: (tx: StateDb, sealed: Buffer) =>
        tx.updateTable('sink_secrets').set({ sealed }).where('sink_id', '=', id).execute(),
    })),
    ...clients.map(({ provider_id: id, sealed: value }) => ({
      context: `provider:${id}`,
      sealed: value,
      put: (tx: StateDb, sealed: Buffer) =>
        tx.updateTable('identity_provider_secrets').set({ sealed }).where('provider_id', '=', id).execute(),
    })),
  ];
}

/** How many secrets of the state each data key seals, by its number; -1 for what is no sealed value. */
export async function sealedCounts(db: StateDb): Promise<Map<number, number>> {
  const counts = new Map<number, number>();
  for (const { sealed } of await places(db)) {
    const number = keyNumberOf(sealed) ?? -1;
    counts.set(number, (counts.get(number) ?? 0) + 1);
  }
  return counts;
}

/**
 * Seals the secrets of the state under the current data key, all or none. One that cannot be opened stays as it is. Only while no
 * change is under way.
 *
 * @returns how many could not be opened
 */
export async function resealAll(db: StateDb, box: SecretBox): Promise<number> {
  let failed = 0;
  await db.transaction().execute(async (tx) => {
    for (const { context, sealed, put } of await places(tx)) {
      try {
        const again = box.renew(sealed, context);
        if (again !== null) await put(tx, again);
      } catch {
        failed += 1;
      }
    }
  });
  return failed;
}
