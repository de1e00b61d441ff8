/** Gathers what a reviewer is shown, from state and from what the index has seen. */
import { type DenialFacts, reviewView, type UseFacts, type ViewFacts } from '../access/review/view.ts';
import { smallestScope, unusedOf, usedPartOf, verbsOf } from '../access/scopes.ts';
import type { ActivityFilter } from '../activity/filter.ts';
import type { ObservedClass } from '../activity/observed.ts';
import type { ActivityItem } from '../activity/query.ts';
import { PosternError } from '../core/errors.ts';
import { rfc3339 } from '../core/time.ts';
import type { Alert, Grant, Person, Principal, ReviewItem } from '../store/entities.ts';
import type { ApiDeps } from './deps.ts';
import { observedOf, statementOf } from './seen.ts';

const DAY_MICROS = 86_400_000_000;
/** Of the last so many days use and refusals are shown. */
const DAYS = 90;
/** Refusals that are looked at; those before are only counted. */
const DENIALS = 500;

/** The view of an item as a text, which is what is kept, hashed and shown. The index has to be fresh. */
export async function viewText(deps: ApiDeps, item: ReviewItem, person: Person): Promise<string> {
  const { reviews, principals, grants: allGrants, persons, bindings } = deps.control;
  const now = reviews.now();
  const review = await reviews.get(item.review.id);
  const since = rfc3339(now - DAYS * DAY_MICROS);
  const principal = await principals.get(item.principal.id);
  const owner = await persons.get(principal.owner.id);
  const grants =
    item.grant === null
      ? await allGrants.list({ principal: principal.id, status: 'active' })
      : [await allGrants.get(item.grant)];
  const open = (await bindings.list(principal.id)).filter(({ status }) => status === 'active');
  const facts: ViewFacts = {
    item,
    review,
    principal,
    ownerActive: owner.status === 'active',
    grants: grants.map((grant) => ({ grant, verbs: verbsOf(grant.scope) })),
    uses:
      review.emergency === undefined
        ? await usesOf(deps, principal, grants, since, rfc3339(now - review.unusedDays * DAY_MICROS))
        : await Promise.all(grants.map((grant) => usedUnder(deps, grant))),
    denials: await denialsOf(deps, principal, item, since),
    sources: deps.activity
      .sources(principal.id)
      .map(({ network, first, last }) => ({ network, first, last })),
    alerts: await alertsOf(deps, principal, item),
    staticSecrets: open.flatMap((each) => (each.kind === 'secret' ? [each.expiresAt] : [])),
    lastUsedAt: deps.activity.lastUses([principal.id]).get(principal.id) ?? null,
    shownTo: person,
    now,
  };
  return JSON.stringify(reviewView(facts));
}

/** Those that nobody has closed and that concern what is reviewed. */
async function alertsOf(deps: ApiDeps, principal: Principal, item: ReviewItem): Promise<Alert[]> {
  const all = await deps.control.alerts.list({ principal: principal.id, status: 'unresolved' });
  const on = item.resource?.id;
  return all.filter(({ resource }) => on === undefined || resource === null || resource.id === on);
}

/** By resource, each of the grants' own. */
async function usesOf(
  deps: ApiDeps,
  principal: Principal,
  grants: readonly Grant[],
  since: string,
  unusedSince: string,
): Promise<UseFacts[]> {
  const resources = new Map(grants.map(({ resource }) => [resource.id, resource]));
  const uses: UseFacts[] = [];
  for (const [id, resource] of resources) {
    const earliest = unusedSince < since ? unusedSince : since;
    const all = observedOf(deps, { principal: principal.id, resource: id, since: earliest });
    const classes = all.filter(({ lastAllowedAt }) => lastAllowedAt === null || lastAllowedAt >= since);
    const allowed = allowedSince(all, since);
    const used = await sized(deps, id, allowed);
    const lately = await sized(deps, id, allowedSince(all, unusedSince));
    const scopes = grants.filter((grant) => grant.resource.id === id).map(({ scope }) => scope);
    const lastOf = (fits: (each: (typeof allowed)[number]) => boolean): string | null =>
      latest(allowed.filter(fits).map(({ lastAllowedAt }) => lastAllowedAt));
    uses.push({
      resource: { id: resource.id, name: resource.name },
      commands: used.commands,
      unresolved: used.unresolved,
      lastAt: lastOf(() => true),
      rights: used.rights.map(({ verb, object, commands }) => ({
        ...{ verb, object, commands },
        lastAt: lastOf((each) => each.verbs.includes(verb) && each.objects.includes(object)),
      })),
      denied: classes.reduce((sum, { denied }) => sum + denied, 0),
      unused: unusedOf(scopes, lately).map(({ verb, object }) => ({ verb, object })),
      // Of several grants on one resource each is narrowed by itself.
      suggested: scopes.length === 1 ? usedPartOf(scopes[0] ?? '', used) : null,
    });
  }
  return uses;
}

const allowedSince = (classes: readonly ObservedClass[], since: string): readonly ObservedClass[] =>
  classes.filter(({ lastAllowedAt }) => lastAllowedAt !== null && lastAllowedAt >= since);

async function sized(deps: ApiDeps, resource: string, classes: readonly ObservedClass[]) {
  return smallestScope(
    await deps.control.resources.get(resource),
    classes.map(({ verbs, objects, allowed: commands, lastAllowed }) => ({
      ...{ verbs, objects, commands },
      text: async () => (lastAllowed === null ? null : statementOf(deps, lastAllowed)),
    })),
  );
}

/** What was done under one grant: an emergency is judged by that alone. */
async function usedUnder(deps: ApiDeps, { id, resource }: Grant): Promise<UseFacts> {
  const done = await inLog(() => deps.activity.summary({ grant: id }));
  return {
    resource: { id: resource.id, name: resource.name },
    commands: done?.commands ?? 0,
    unresolved: 0,
    lastAt: done?.lastAt ?? null,
    rights: (done?.byVerbObject ?? [])
      .filter(({ allowed }) => allowed > 0)
      .map(({ verb, object, allowed }) => ({ verb, object, commands: allowed, lastAt: null })),
    denied: done?.denied ?? 0,
    unused: [],
    suggested: null,
  };
}

const latest = (times: readonly (string | null)[]): string | null =>
  times.reduce((last, time) => (last === null || (time !== null && time > last) ? time : last), null);

/** Alike ones once, the one refused last first. */
async function denialsOf(
  deps: ApiDeps,
  principal: Principal,
  item: ReviewItem,
  since: string,
): Promise<DenialFacts[]> {
  const filter: ActivityFilter = {
    principal: principal.id,
    decision: 'deny',
    since,
    resource: item.resource?.id,
  };
  const found = new Map<string, DenialFacts>();
  for (const { code, reason, time } of await refused(deps, filter)) {
    const key = `${code} ${reason}`;
    const held = found.get(key) ?? { code: code ?? '', reason: reason ?? '', count: 0, lastAt: time };
    found.set(key, { ...held, count: held.count + 1 });
  }
  return [...found.values()];
}

async function refused(deps: ApiDeps, filter: ActivityFilter): Promise<readonly ActivityItem[]> {
  return (await inLog(() => deps.activity.query(filter, { limit: DENIALS })))?.items ?? [];
}

/** Null where the log knows no such principal, resource or grant yet. */
async function inLog<T>(ask: () => Promise<T> | T): Promise<T | null> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof PosternError && error.code === 'POSTERN_NOT_FOUND') return null;
    throw error;
  }
}
