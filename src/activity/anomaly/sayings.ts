/**
 * What is found becomes findings, so many and no more: the same thing is said at once, and then ever more seldom within an hour;
 * and of so many different things in an hour, the rest in one finding that says that there was more. Counted by the times of leaves.
 */
import { NAMED_MAX } from '../../core/alert-finding.ts';
import type { Profile, Tally } from './profile.ts';

const HOUR_MICROS = 3_600_000_000;
/** Said one by one; after that at each power of two. */
const AT_ONCE = 3;
/** Tallies of one principal that are kept beside those of this hour. */
const TALLIES_MAX = 200;

/** What there is to be said of a thing now. */
export interface Said {
  readonly values: readonly string[];
  readonly leaves: readonly number[];
  readonly count: number;
}

/** `beyond`: it is one of too many things in this hour. */
export type Saying =
  | { readonly kind: 'say'; readonly said: Said }
  | { readonly kind: 'wait' }
  | { readonly kind: 'beyond'; readonly said: Said | null };

/**
 * @param subject what it is about: rule and resource
 * @param most things that are told apart in an hour; null for one that is told whatever else there is
 */
export function sayingOf(
  profile: Profile,
  subject: string,
  found: { readonly time: number; readonly values: readonly string[]; readonly leaves: readonly number[] },
  most: number | null,
): Saying {
  const hour = Math.floor(found.time / HOUR_MICROS);
  // Leaves of two workers may come a little out of order about a full hour: that is not a new hour each time.
  if (isAnother(hour, profile.hour)) Object.assign(profile, { hour, subjects: 0, beyond: 0 });
  let tally = profile.tallies.get(subject);
  if (tally === undefined || tally.found === 0 || isAnother(hour, tally.hour)) {
    if (most !== null && profile.subjects >= most) return beyond(profile, subject, found.leaves);
    profile.subjects += 1;
    tally = { count: 0, values: [], leaves: [], ...tally, hour, found: 0 };
    profile.tallies.delete(subject);
    profile.tallies.set(subject, tally);
    forget(profile, hour);
  }
  add(tally, found.values, found.leaves);
  return isTold(tally.found, AT_ONCE) ? { kind: 'say', said: said(tally) } : { kind: 'wait' };
}

const isAnother = (hour: number, held: number): boolean => hour > held || hour < held - 1;

const isTold = (n: number, first: number): boolean => n <= first || Number.isInteger(Math.log2(n));

function beyond(profile: Profile, subject: string, leaves: readonly number[]): Saying {
  profile.beyond += 1;
  const n = profile.beyond;
  if (!isTold(n, 1)) return { kind: 'beyond', said: null };
  // Those between two tellings are in the count alone.
  const count = n === 1 ? 1 : n / 2;
  return { kind: 'beyond', said: { values: [subject], leaves: leaves.slice(0, NAMED_MAX), count } };
}

function add(tally: Tally, values: readonly string[], leaves: readonly number[]): void {
  tally.found += 1;
  tally.count += 1;
  for (const value of values) {
    if (tally.values.length < NAMED_MAX && !tally.values.includes(value)) tally.values.push(value);
  }
  for (const leaf of leaves) {
    if (tally.leaves.length < NAMED_MAX && !tally.leaves.includes(leaf)) tally.leaves.push(leaf);
  }
}

function said(tally: Tally): Said {
  const { values, count } = tally;
  const leaves = [...tally.leaves].sort((a, b) => a - b);
  Object.assign(tally, { values: [], leaves: [], count: 0 });
  return { values, leaves, count };
}

/** The tallies of earlier hours, those longest ago first. What they had not said yet is lost with them: counts say "at least". */
function forget(profile: Profile, hour: number): void {
  for (const [subject, tally] of profile.tallies) {
    if (profile.tallies.size <= TALLIES_MAX) return;
    if (isAnother(hour, tally.hour)) profile.tallies.delete(subject);
  }
}
