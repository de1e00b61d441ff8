import type { Ref } from '../../core/record.ts';
import { type Days, dayOf, forgetOldest, isFirst } from './days.ts';
import type { OpenSession, Profile } from './profile.ts';
import type { At, Voice } from './voice.ts';

const DAY_MICROS = 86_400_000_000;
const MINUTE_MICROS = 60_000_000;

type Baseline =
  | 'first_verb'
  | 'first_object'
  | 'first_network'
  | 'first_hour'
  | 'first_client'
  | 'concurrent';

interface Seen {
  readonly rule: Baseline;
  readonly days: Days;
  readonly keys: readonly string[];
  readonly resource: Ref | null;
  /** From when on was learnt. Default: the first use of the principal. */
  readonly since?: number;
  /** Default: the one at which it was seen. */
  readonly leaves?: readonly number[];
}

/** What a principal did not do for so long, or never. */
export class FirstUse {
  readonly #voice: Voice;
  /** Counts up whenever something that was known is not any more. */
  forgotten = 0;

  constructor(voice: Voice) {
    this.#voice = voice;
  }

  /** Notes what was seen, and says what is new of it once the time of learning is over. */
  see(profile: Profile, at: At, { rule, days, keys, resource, since, leaves }: Seen): void {
    const { windowDays, learningDays } = this.#voice.parameters(rule);
    const day = dayOf(at.time);
    const fresh = keys.filter((key) => isFirst(days, key, day, windowDays));
    if (fresh.length === 0) return;
    if (forgetOldest(days)) this.forgotten += 1;
    const from = since ?? profile.since ?? at.time;
    if (at.time - from < learningDays * DAY_MICROS) return;
    this.#voice.say(profile, at, rule, resource, fresh, leaves ?? [at.leaf]);
  }

  /** Notes that a principal was used at this time. */
  used(profile: Profile, at: At): void {
    // The clock was ahead when it was used first: else it would be learnt for as long.
    if (profile.since === null || at.time < profile.since) profile.since = at.time;
    const hour = new Date(Math.floor(at.time / 1000)).getUTCHours();
    const keys = [`${String(hour).padStart(2, '0')}:00`];
    this.see(profile, at, { rule: 'first_hour', days: profile.hours, keys, resource: null });
  }

  did(
    profile: Profile,
    at: At,
    { resource, verbs, objects }: { resource: Ref; verbs: readonly string[]; objects: readonly string[] },
  ): void {
    this.used(profile, at);
    let habits = profile.resources.get(resource.id);
    if (habits === undefined) {
      habits = { since: at.time, verbs: new Map(), objects: new Map() };
      profile.resources.set(resource.id, habits);
    }
    if (at.time < habits.since) habits.since = at.time;
    const { since } = habits;
    this.see(profile, at, { rule: 'first_verb', days: habits.verbs, keys: verbs, resource, since });
    this.see(profile, at, { rule: 'first_object', days: habits.objects, keys: objects, resource, since });
  }

  /** A session is used: where it had rested, others may be in use elsewhere by now. */
  inUse(profile: Profile, at: At, open: OpenSession): void {
    const rested = at.time - open.usedAt > this.#voice.parameters('concurrent').minutes * MINUTE_MICROS;
    open.usedAt = at.time;
    if (rested && open.network !== null) this.elsewhere(profile, at, open.network, open);
  }

  /** Sessions in other networks that were used just before. @param open the one that is used; none where it is being opened */
  elsewhere(profile: Profile, at: At, network: string, open?: OpenSession): void {
    const from = at.time - this.#voice.parameters('concurrent').minutes * MINUTE_MICROS;
    const told = new Set<string>([network]);
    for (const other of profile.sessions.values()) {
      if (other.network === null || other.usedAt < from || told.has(other.network)) continue;
      told.add(other.network);
      const keys = [[network, other.network].sort().join(' + ')];
      const leaves = [...new Set([other.leaf, open?.leaf ?? at.leaf, at.leaf])].sort((a, b) => a - b);
      const seen = { rule: 'concurrent', days: profile.pairs, keys, resource: null, leaves } as const;
      this.see(profile, at, seen);
    }
  }
}
