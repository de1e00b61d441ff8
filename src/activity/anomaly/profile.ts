/** What is known of a principal from the leaves so far. */
import type { Ref } from '../../core/record.ts';
import type { Burst } from './burst.ts';
import type { Days } from './days.ts';
import { newPace, type Pace } from './human.ts';

export interface OpenSession {
  readonly leaf: number;
  readonly network: string | null;
  readonly resource: Ref | null;
  /** When it was used last, microseconds. */
  usedAt: number;
  readonly pace: Pace;
}

/** What it does on one resource. */
export interface Habits {
  /** When it was used there first, microseconds. */
  since: number;
  readonly verbs: Days;
  readonly objects: Days;
}

/** What was found about one thing and is not said yet. */
export interface Tally {
  hour: number;
  /** In that hour. */
  found: number;
  /** Since it was said last. */
  count: number;
  values: string[];
  leaves: number[];
}

export interface Profile {
  readonly id: string;
  name: string;
  /** When it was used first, microseconds; null before. */
  since: number | null;
  readonly networks: Days;
  readonly hours: Days;
  readonly clients: Days;
  /** Pairs of networks that were used at the same time. */
  readonly pairs: Days;
  readonly resources: Map<string, Habits>;
  readonly sessions: Map<string, OpenSession>;
  readonly denials: Burst;
  readonly failedLogins: Burst;
  readonly tallies: Map<string, Tally>;
  /** In this hour: of how many things something was found, and how much was found beyond what is raised. */
  hour: number;
  subjects: number;
  beyond: number;
}

/** Sessions of one principal that are followed; of more, those opened first are not. */
export const SESSIONS_MAX = 1000;

export const newProfile = (id: string, name: string): Profile => ({
  ...{ id, name, since: null, hour: 0, subjects: 0, beyond: 0 },
  ...{ networks: new Map(), hours: new Map(), clients: new Map(), pairs: new Map() },
  ...{ resources: new Map(), sessions: new Map(), denials: [], failedLogins: [], tallies: new Map() },
});

export const newSession = (
  leaf: number,
  time: number,
  network: string | null,
  resource: Ref | null,
): OpenSession => ({ leaf, network, resource, usedAt: time, pace: newPace() });

/** A profile as JSON; maps become lists of pairs. */
export function profileText(profile: Profile): string {
  return JSON.stringify(profile, (_, value: unknown) => (value instanceof Map ? [...value] : value));
}

/** @throws SyntaxError where the text is no JSON */
export function profileFrom(text: string): Profile {
  const read = JSON.parse(text) as Record<keyof Profile, never>;
  const habits = (read.resources as readonly [string, Record<keyof Habits, never>][]).map(
    ([id, { since, verbs, objects }]): [string, Habits] => [
      id,
      { since, verbs: new Map(verbs), objects: new Map(objects) },
    ],
  );
  const { networks, hours, clients, pairs, sessions, tallies } = read;
  return {
    ...(read as unknown as Profile),
    ...{ networks: new Map(networks), hours: new Map(hours), clients: new Map(clients) },
    ...{ pairs: new Map(pairs), resources: new Map(habits) },
    ...{ sessions: new Map(sessions), tallies: new Map(tallies) },
  };
}
