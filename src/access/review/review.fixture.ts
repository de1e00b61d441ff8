/** For tests: a bank with principals, grants and people who review them, under a clock that the test sets. */
import type { TestContext } from 'node:test';
import type { Actor } from '../../core/record.ts';
import { nowMicros } from '../../core/time.ts';
import { personActor } from '../../identity/persons.ts';
import type { Grant, Person, ReviewItem, Role } from '../../store/entities.ts';
import { RESOURCE, testControl } from '../control.fixture.ts';
import type { ControlOptions } from '../control.ts';
import type { NewDecision, NewReview } from './reviews.ts';

export const DAY = 86_400;
const SCOPE = 'select, insert on ledger.*';

export const CAMPAIGN: NewReview = { name: 'autumn', dueSeconds: 14 * DAY, graceSeconds: 7 * DAY };

export async function reviewBank(context: TestContext, options: Partial<ControlOptions> = {}) {
  let offset = 0;
  const clock = (): number => nowMicros() + offset;
  const test = await testControl(context, { clock, ...options });
  const { control, actor, sink } = test;
  const person = (name: string, ...roles: Role[]): Promise<Person> =>
    control.persons.create(actor, { name, email: `${name.toLowerCase()}@example.org`, roles });
  const people = {
    olga: await person('Olga', 'owner', 'reviewer'),
    rita: await person('Rita', 'reviewer'),
    rolf: await person('Rolf', 'reviewer'),
    max: await person('Max', 'approver', 'reviewer'),
    dora: await person('Dora', 'owner'),
    anna: await person('Anna', 'auditor'),
    alan: await person('Alan', 'admin'),
  };
  await control.resources.create(actor, RESOURCE);
  await control.resources.create(actor, { ...RESOURCE, name: 'hr-db' });
  const principal = (name: string, environment = 'production', tags = {}) =>
    control.principals.create(actor, {
      ...{ name, kind: 'service_account', owner: people.olga.id, backupOwner: people.dora.id },
      ...{ purpose: 'x', environment, tags },
    });
  const grant = (of: string, resource = 'ledger-db', by: Actor = personActor(people.max)): Promise<Grant> =>
    control.grants.create(by, { principal: of, resource, scope: SCOPE, ttlSeconds: 80 * DAY });
  await principal('batch', 'production', { team: 'ledger' });
  await principal('reports', 'test');
  const own = { batch: await grant('batch'), reports: await grant('reports', 'hr-db') };

  const items = async (review = CAMPAIGN.name): Promise<ReviewItem[]> =>
    control.reviews.items({ review: (await control.reviews.get(review)).id });
  /** The item about a grant of `batch`, or about the principal as such. */
  const itemOf = async (of: string, what: 'grant' | 'principal', review = CAMPAIGN.name) => {
    const found = (await items(review)).find(
      (each) => each.principal.name === of && (each.grant !== null) === (what === 'grant'),
    );
    if (found === undefined) throw new Error(`no item about the ${what} of ${of}`);
    return found;
  };
  /** As somebody does who looks first. */
  const decide = async (by: Person, item: ReviewItem, input: Omit<NewDecision, 'view' | 'reason'>) => {
    const view = await control.reviews.show(item, by, JSON.stringify({ item: item.id, at: clock() }));
    return control.reviews.decide(personActor(by), item.id, {
      ...{ reason: 'looked at it', view: view?.sha256 ?? '0'.repeat(64) },
      ...input,
    });
  };
  return {
    ...test,
    people,
    own,
    grant,
    principal,
    items,
    itemOf,
    decide,
    as: personActor,
    open: (more: Partial<NewReview> = {}) => control.reviews.open(actor, { ...CAMPAIGN, ...more }),
    /** Moves the clock by so many seconds. */
    turn: (seconds: number) => {
      offset += seconds * 1_000_000;
    },
    types: () => sink.changes().map(({ type }) => type),
  };
}
