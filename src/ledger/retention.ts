import type { KeptDay } from './payload-erasure.ts';
import type { StoredKind } from './payload-seal.ts';

/** How long texts are kept, in days after the end of the day they are of; null: for ever. */
export interface KeepDays {
  readonly statements: number | null;
  readonly parameters: number | null;
}

/** The texts of one principal and day whose time is over. */
export interface DueDay {
  readonly principalId: string;
  readonly day: string;
  readonly kinds: readonly StoredKind[];
}

const DAY_MS = 86_400_000;

/**
 * Whether the texts of a kind and day are due. A record that was too large for its leaf is kept as long as statements. A
 * day that is no date never ends.
 *
 * @param now milliseconds since the Unix epoch
 */
export function isDue(kind: StoredKind, day: string, keep: KeepDays, now: number): boolean {
  const days = kind === 'parameters' ? keep.parameters : keep.statements;
  if (days === null) return false;
  const ends = Date.parse(`${day}T00:00:00Z`) + DAY_MS;
  return ends + days * DAY_MS <= now;
}

/** The longest of several: who kept a text for one reason keeps it. */
export function longest(all: readonly KeepDays[]): KeepDays {
  const most = (values: readonly (number | null)[]): number | null =>
    values.includes(null) ? null : Math.max(...values.map(Number));
  return {
    statements: most(all.map(({ statements }) => statements)),
    parameters: most(all.map(({ parameters }) => parameters)),
  };
}

/** Groups what is kept by principal and day. */
export function byDay(kept: readonly KeptDay[]): DueDay[] {
  const days = new Map<string, { principalId: string; day: string; kinds: StoredKind[] }>();
  for (const { principalId, day, kind } of kept) {
    const key = `${principalId}\n${day}`;
    const held = days.get(key);
    if (held === undefined) days.set(key, { principalId, day, kinds: [kind] });
    else held.kinds.push(kind);
  }
  return [...days.values()];
}
