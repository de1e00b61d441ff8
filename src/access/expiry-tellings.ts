/** Tells of what ends soon: static secrets, which are exceptions with an end, and principals. */
import { formatDuration } from '../core/duration.ts';
import type { Notifier } from '../notify/notifier.ts';
import type { Telling } from '../notify/outbox.ts';
import { bindingsOfKind, listPrincipals } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { active, clockText, ownersOf } from './tellings.ts';

const DAY_MS = 86_400_000;
/** How long before the end; the nearest that has come is told. */
const AHEAD_MS = [DAY_MS, 7 * DAY_MS];

/**
 * Each end is told of once at each of these, whenever this runs: the outbox knows what it has told. What was missed while Postern was
 * down, or by a clock that jumped, is told once, as near as it is now.
 */
export async function tellExpiries(db: StateDb, notifier: Notifier, nowMs: number): Promise<void> {
  if ((await notifier.channels.list('active', { limit: 1 })).length === 0) return;
  const tellings: Telling[] = [];
  for (const binding of await bindingsOfKind(db, 'secret')) {
    const ahead = aheadOf(binding.expiresAt, nowMs);
    if (ahead === null) continue;
    const ends = endFields(binding.expiresAt, nowMs);
    tellings.push({
      kind: 'secret.expiring',
      event: `secret ${binding.id} ${binding.expiresAt} ${ahead}`,
      fields: { principal: binding.principal.name, binding: binding.id, ...ends },
      principal: binding.principal.id,
      people: active(await ownersOf(db, binding.principal)),
    });
  }
  for (const principal of await listPrincipals(db, { status: 'active' })) {
    const ahead = principal.expiresAt === null ? null : aheadOf(principal.expiresAt, nowMs);
    if (principal.expiresAt === null || ahead === null) continue;
    tellings.push({
      kind: 'principal.expiring',
      event: `principal ${principal.id} ${principal.expiresAt} ${ahead}`,
      fields: { principal: principal.name, ...endFields(principal.expiresAt, nowMs) },
      principal: principal.id,
      people: active(await ownersOf(db, principal)),
    });
  }
  if (tellings.length > 0) await notifier.tell(...tellings);
}

function aheadOf(expiresAt: string, nowMs: number): number | null {
  const left = Date.parse(expiresAt) - nowMs;
  return left <= 0 ? null : (AHEAD_MS.find((ahead) => left <= ahead) ?? null);
}

const endFields = (expiresAt: string, nowMs: number): { expires: string; left: string } => ({
  expires: clockText(expiresAt),
  left: formatDuration(Math.max(60_000, Math.round((Date.parse(expiresAt) - nowMs) / 60_000) * 60_000)),
});
