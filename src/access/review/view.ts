/** What a reviewer is shown of an item: what is granted, what was used and refused, and what is doubtful about it. Pure. */
import { alertWords } from '../../core/alert-rules.ts';
import type { GrantConditions } from '../../core/conditions.ts';
import { PRIVILEGED_VERBS } from '../../core/privileged.ts';
import type { Authority, Ref } from '../../core/record.ts';
import { rfc3339 } from '../../core/time.ts';
import type { Alert, Grant, Principal, Review, ReviewItem } from '../../store/entities.ts';

const DAY_MICROS = 86_400_000_000;
/** How many rows of each kind are shown; the rest is counted. */
const ROWS_MAX = 200;
/** Alerts that are told one by one; the rest is counted. */
const ALERTS_MAX = 20;
/** A network is new for so long. */
const NEW_SOURCE_DAYS = 30;

/** Use of one resource. Times are RFC 3339. */
export interface UseFacts {
  readonly resource: Ref;
  readonly commands: number;
  /** Commands of which it could not be told which verb went to which object. */
  readonly unresolved: number;
  readonly lastAt: string | null;
  readonly rights: readonly {
    readonly verb: string;
    readonly object: string;
    readonly commands: number;
    readonly lastAt: string | null;
  }[];
  readonly denied: number;
  /** Of the grants that are shown: what was never used. */
  readonly unused: readonly { readonly verb: string; readonly object: string }[];
  /** The smallest scope within what is granted that covers what was used; null where there is none. */
  readonly suggested: string | null;
}

/** Refusals of late, alike. */
export interface DenialFacts {
  readonly code: string;
  readonly reason: string;
  readonly count: number;
  readonly lastAt: string;
}

export interface ViewFacts {
  readonly item: ReviewItem;
  readonly review: Review;
  readonly principal: Principal;
  readonly ownerActive: boolean;
  /** The grant of the item, or all active ones of the principal. */
  readonly grants: readonly { readonly grant: Grant; readonly verbs: readonly string[] }[];
  readonly uses: readonly UseFacts[];
  readonly denials: readonly DenialFacts[];
  readonly sources: readonly { readonly network: string; readonly first: string; readonly last: string }[];
  /** Alerts that nobody has closed: of the principal, or of the grant's resource and of no one resource. */
  readonly alerts: readonly Alert[];
  /** Ends of the static secrets that are open. */
  readonly staticSecrets: readonly string[];
  readonly lastUsedAt: string | null;
  readonly shownTo: Ref;
  /** Microseconds since the Unix epoch. */
  readonly now: number;
}

export interface Risk {
  readonly kind:
    | 'static_secret'
    | 'no_expiry'
    | 'privileged'
    | 'orphaned'
    | 'unused'
    | 'unused_rights'
    | 'new_source'
    | 'emergency'
    | 'alert';
  readonly text: string;
}

export interface ReviewView {
  readonly format: 'postern-review-view/1';
  readonly item: string;
  readonly review: Ref & { readonly rehearsal: boolean; readonly dueAt: string };
  readonly shownTo: Ref;
  readonly shownAt: string;
  readonly principal: Ref & {
    readonly kind: string;
    readonly status: string;
    readonly owner: Ref;
    readonly backupOwner: Ref | null;
    readonly purpose: string;
    readonly environment: string;
    readonly expiresAt: string | null;
    readonly sponsor: string | null;
    readonly lastUsedAt: string | null;
  };
  /** Grants that are not listed. */
  readonly grantsMore: number;
  readonly granted: readonly {
    readonly id: string;
    readonly resource: Ref;
    readonly scope: string;
    readonly conditions: GrantConditions;
    readonly start: string;
    readonly end: string;
    readonly authority: Authority;
  }[];
  /** What the principal did, by resource; a grant is not told from another on the same one. */
  readonly used: readonly (UseFacts & { readonly more: number })[];
  readonly denied: readonly DenialFacts[];
  readonly sources: ViewFacts['sources'];
  readonly risks: readonly Risk[];
}

export function reviewView(facts: ViewFacts): ReviewView {
  const { item, review, principal, grants, uses, denials, sources, shownTo, now, lastUsedAt } = facts;
  const { id, name, kind, status, purpose, environment, expiresAt, sponsor, owner, backupOwner } = principal;
  return {
    format: 'postern-review-view/1',
    item: item.id,
    review: { id: review.id, name: review.name, rehearsal: review.rehearsal, dueAt: review.dueAt },
    shownTo: ref(shownTo),
    shownAt: rfc3339(now),
    principal: {
      ...{ id, name, kind, status, purpose, environment, expiresAt, sponsor, lastUsedAt },
      owner: ref(owner),
      backupOwner: backupOwner === null ? null : ref(backupOwner),
    },
    grantsMore: Math.max(0, grants.length - ROWS_MAX),
    granted: grants.slice(0, ROWS_MAX).map(({ grant }) => ({
      id: grant.id,
      resource: grant.resource,
      scope: grant.scope,
      conditions: grant.conditions,
      start: grant.start,
      end: grant.end,
      authority: grant.authority,
    })),
    used: uses.map((use) => ({
      ...use,
      rights: use.rights.slice(0, ROWS_MAX),
      unused: use.unused.slice(0, ROWS_MAX),
      more: Math.max(0, use.rights.length - ROWS_MAX),
    })),
    denied: denials.slice(0, ROWS_MAX),
    sources: sources.slice(0, ROWS_MAX),
    risks: risksOf(facts),
  };
}

const ref = ({ id, name }: Ref): Ref => ({ id, name });

function risksOf(facts: ViewFacts): Risk[] {
  const { item, review, principal, ownerActive, grants, uses, sources, staticSecrets, now } = facts;
  const risks: Risk[] = staticSecrets.map((end) => ({
    kind: 'static_secret',
    text: `a static secret proves it until ${end.slice(0, 10)}`,
  }));
  if (principal.expiresAt === null) {
    risks.push({ kind: 'no_expiry', text: 'it does not expire' });
  }
  const privileged = [...new Set(grants.flatMap(({ verbs }) => verbs))].filter((verb) =>
    PRIVILEGED_VERBS.has(verb),
  );
  if (privileged.length > 0) risks.push({ kind: 'privileged', text: `it may ${privileged.join(', ')}` });
  if (!ownerActive) {
    risks.push({ kind: 'orphaned', text: `${principal.owner.name}, who answers for it, is disabled` });
  }
  const unused = unusedSince(facts);
  if (unused !== null) risks.push({ kind: 'unused', text: unused });
  const rights = uses.reduce((sum, use) => sum + use.unused.length, 0);
  if (unused === null && rights > 0) {
    risks.push({
      kind: 'unused_rights',
      text: `${rights} granted right${rights === 1 ? ' was' : 's were'} not used in ${review.unusedDays} days`,
    });
  }
  const newest = rfc3339(now - NEW_SOURCE_DAYS * DAY_MICROS);
  const fresh = sources.filter(({ first }) => first > newest);
  // Where all are new, so is the principal.
  if (fresh.length > 0 && fresh.length < sources.length) {
    risks.push({
      kind: 'new_source',
      text: `used from ${fresh
        .map(({ network }) => network)
        .slice(0, 5)
        .join(', ')} for the first time within ${NEW_SOURCE_DAYS} days`,
    });
  }
  for (const { id, rule, values, count, lastAt } of facts.alerts.slice(0, ALERTS_MAX)) {
    const words = alertWords(rule, values, count);
    risks.push({
      kind: 'alert',
      text: `alert ${id} is not closed: it ${words}, last ${lastAt.slice(0, 10)}`,
    });
  }
  const more = facts.alerts.length - ALERTS_MAX;
  if (more > 0) risks.push({ kind: 'alert', text: `${more} more alerts are not closed` });
  for (const { grant } of grants) {
    const { kind, reviewBy } = grant.authority;
    if (kind !== 'emergency') continue;
    const by = reviewBy === undefined ? '' : `, by ${reviewBy.slice(0, 16)}Z`;
    risks.push({
      kind: 'emergency',
      text: `${item.grant === null ? `grant ${grant.id}` : 'the grant'} was an emergency, and its use has to be reviewed${by}`,
    });
  }
  return risks;
}

/** That it was not used for as long as the review says, in words; null where it was, or is younger. */
function unusedSince({ item, review, principal, grants, uses, lastUsedAt, now }: ViewFacts): string | null {
  const cutoff = rfc3339(now - review.unusedDays * DAY_MICROS);
  const [first] = grants;
  const since = item.grant === null || first === undefined ? principal.activeSince : first.grant.start;
  const last = item.grant === null ? lastUsedAt : (uses[0]?.lastAt ?? null);
  if (since > cutoff || (last !== null && last > cutoff)) return null;
  return `not used for ${review.unusedDays} days (${last === null ? 'never' : `last ${last.slice(0, 10)}`})`;
}
