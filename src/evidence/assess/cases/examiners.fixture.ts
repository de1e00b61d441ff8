/** For tests: assertions that examiners ask for: what management reviewed, third parties, emergencies, who answers for resources. */
import type { Person } from '../../../store/entities.ts';
import type { Case, World } from '../cases.fixture.ts';

export const PRIVILEGED = { 'privileged-verbs': ['truncate', 'drop'] };
const DAY_US = 86_400_000_000;
const later = (days: number): string =>
  `${new Date(Date.now() + (days * DAY_US) / 1000).toISOString().slice(0, -1)}000Z`;

/** A session of `batch` in which it truncates. */
export async function truncates(w: World): Promise<void> {
  const session = await w.session(w.own.batch);
  await w.run(w.own.batch, session, { verbs: ['truncate'], objects: ['ledger.staging'] });
}

/** Somebody reviews the log up to now, from a leaf on. */
export function looks(w: World, by: Person, from = 0, to = w.sink.written.length - 1) {
  return w.control.logReviews.create(w.as(by), {
    ...{ principals: ['batch'], from, to, finding: 'nothing unusual' },
    ...{ log: { size: w.sink.written.length, root: '' }, answered: async () => false },
  });
}

/** The grant of `batch` or `reports` was taken in an emergency. */
function emergency(w: World, of: 'batch' | 'reports', reviewBy: string): void {
  const authority = { ...w.own[of].authority, kind: 'emergency', reviewBy };
  w.amend('grant', w.own[of].id, 'grant.activated', { authority });
}

export const EXAMINER_CASES: readonly Case[] = [
  {
    query: 'privileged-commands-reviewed',
    parameters: PRIVILEGED,
    good: async (w) => {
      await truncates(w);
      await looks(w, w.people.rita);
    },
    bad: truncates,
    names: '"verbs":"[\\"truncate\\"]"',
  },
  {
    query: 'log-reviews-independent',
    good: (w) => looks(w, w.people.rita),
    // Postern refuses it; a log in which it happened all the same shows it.
    bad: async (w) => {
      const { reviews } = await looks(w, w.people.rolf);
      const { id, name } = w.people.olga;
      w.amend('log_review', reviews[0]?.id ?? '', 'activity.reviewed', { reviewer: { id, name } });
    },
    names: '"reviewer":"Olga"',
  },
  {
    query: 'third-parties-expire',
    good: (w) => {
      const expiresAt = later(9);
      return w.control.principals.update(w.actor, 'reports', { sponsor: 'Acme', expiresAt }, 'theirs');
    },
    bad: (w) => w.control.principals.update(w.actor, 'batch', { sponsor: 'Acme' }, 'theirs'),
    names: '"name":"batch"',
  },
  {
    query: 'emergency-use-reviewed',
    days: 9,
    good: async (w) => {
      emergency(w, 'batch', later(2));
      await w.open();
      await w.decide(w.people.rita, await w.itemOf('batch', 'grant'), { kind: 'keep' });
    },
    bad: async (w) => emergency(w, 'reports', later(2)),
    names: '"principal":"reports"',
  },
  {
    query: 'grants-not-approved-by-owner',
    good: async () => undefined,
    bad: (w) => w.grant('batch', 'hr-db', w.as(w.people.dora)),
    names: '"name\\":\\"Dora\\"',
  },
  {
    query: 'resources-have-owner',
    good: async (w) => {
      for (const name of ['ledger-db', 'hr-db'])
        await w.control.resources.update(w.actor, name, { owner: w.people.alan.id }, 'his');
    },
    bad: (w) => w.control.persons.disable(w.actor, w.people.alan.id, 'left'),
    names: '"owner":"Alan"',
  },
];
