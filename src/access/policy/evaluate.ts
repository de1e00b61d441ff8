/** What the policy says to a request: the first rule that fits decides, and where none does the answer is no. Pure. */
import { AddressBlocks } from '../../core/address-blocks.ts';
import { Clock } from '../../core/clock.ts';
import { describeConditions } from '../../core/condition-words.ts';
import { formatDuration } from '../../core/duration.ts';
import { globMatches } from '../../core/glob.ts';
import type { Principal, Resource } from '../../store/entities.ts';
import type { scopeRelations } from '../scopes.ts';
import type { AllowRule, PolicyDocument, PolicyRule, When } from './document.ts';

/** What is asked, by whom and under which circumstances. */
export interface AccessQuestion {
  readonly principal: Pick<Principal, 'name' | 'kind' | 'environment' | 'tags' | 'sponsor'>;
  /** What the token said that proved the principal, where it asks itself. */
  readonly claims: Readonly<Record<string, string>>;
  readonly resource: Pick<Resource, 'name' | 'protocol' | 'environment' | 'classification'>;
  /** In its canonical form. */
  readonly scope: string;
  readonly seconds: number;
  /** Milliseconds since the Unix epoch. */
  readonly nowMs: number;
  /** Address of the principal, where it asks itself. */
  readonly source: string | null;
  readonly ticket: string | null;
  readonly justification: string | null;
  readonly emergency: boolean;
}

/** A rule that is for this principal and resource, but asks for something that is not so. */
export interface NearMiss {
  readonly rule: string;
  readonly lacking: readonly string[];
}

export type Verdict =
  | { readonly effect: 'allow'; readonly rule: AllowRule }
  | {
      readonly effect: 'deny';
      /** Null: no rule fits. */
      readonly rule: string | null;
      readonly reason: string;
      readonly nearly: readonly NearMiss[];
    };

/** Whose wish it is for what, without the circumstances of a request. */
export type AccessSubject = Pick<AccessQuestion, 'principal' | 'resource' | 'scope'> & {
  /** Null: not known, taken to be as a rule has them. */
  readonly claims: AccessQuestion['claims'] | null;
};

/** What a policy would make of a wish at best: with the right ticket, at the right time, for short enough. */
export type AtBest =
  | { readonly effect: 'allow'; readonly rule: AllowRule }
  | { readonly effect: 'deny'; readonly rule: string | null };

/** As {@link evaluate}, where the circumstances of a request are not known. */
export function evaluateAtBest(
  policy: Pick<PolicyDocument, 'rules'>,
  subject: AccessSubject,
  relations: typeof scopeRelations,
): AtBest {
  for (const rule of policy.rules) {
    if (!isAbout(rule, subject)) continue;
    const { scope } = rule.what;
    const { protocol } = subject.resource;
    if (rule.effect === 'deny') {
      if (scope === null || relations.meet(protocol, subject.scope, scope)) {
        return { effect: 'deny', rule: rule.name };
      }
    } else if (
      rule.emergency === null &&
      (scope === null || relations.within(protocol, subject.scope, scope))
    ) {
      return { effect: 'allow', rule };
    }
  }
  return { effect: 'deny', rule: null };
}

const MISSES_SHOWN = 5;

/** @param relations how scopes stand to each other */
export function evaluate(
  policy: Pick<PolicyDocument, 'rules'>,
  question: AccessQuestion,
  relations: typeof scopeRelations,
): Verdict {
  const nearly: NearMiss[] = [];
  for (const rule of policy.rules) {
    if (!isAbout(rule, question)) continue;
    if (rule.effect === 'deny') {
      if (denies(rule, question, relations)) {
        return { effect: 'deny', rule: rule.name, reason: rule.reason, nearly: [] };
      }
      continue;
    }
    const lacking = lackingOf(rule, question, relations);
    if (lacking.length === 0) return { effect: 'allow', rule };
    nearly.push({ rule: rule.name, lacking });
  }
  return {
    effect: 'deny',
    rule: null,
    reason: `the policy has no rule that gives ${question.principal.name} this on ${question.resource.name}`,
    nearly: nearly.slice(0, MISSES_SHOWN),
  };
}

const among = (globs: readonly string[] | null, text: string): boolean =>
  globs === null || globs.some((glob) => globMatches(glob, text));

const saysAll = (said: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean =>
  Object.entries(wanted).every(([name, value]) => Object.hasOwn(said, name) && said[name] === value);

/** Whether the rule is for this principal and this resource at all. */
export function isAbout(
  { who, what, when }: PolicyRule,
  { principal, resource, claims }: AccessSubject,
): boolean {
  return (
    among(who.principals, principal.name) &&
    among(who.kinds, principal.kind) &&
    among(who.environments, principal.environment) &&
    saysAll(principal.tags, who.tags) &&
    (claims === null || saysAll(claims, who.claims)) &&
    (who.sponsored === null || who.sponsored === (principal.sponsor !== null)) &&
    among(what.resources, resource.name) &&
    among(what.environments, resource.environment) &&
    among(what.classifications, resource.classification) &&
    (!when.sameEnvironment || principal.environment === resource.environment)
  );
}

/** A rule that denies does so where its hours, sources and scope are touched at all. */
function denies(
  { what, when }: PolicyRule,
  question: AccessQuestion,
  relations: typeof scopeRelations,
): boolean {
  return (
    circumstances(when, question).length === 0 &&
    (what.scope === null || relations.meet(question.resource.protocol, question.scope, what.scope))
  );
}

function lackingOf(rule: AllowRule, question: AccessQuestion, relations: typeof scopeRelations): string[] {
  const { what, when, emergency } = rule;
  const lacking = circumstances(when, question);
  if (what.scope !== null && !relations.within(question.resource.protocol, question.scope, what.scope)) {
    lacking.push(`a scope within: ${what.scope}`);
  }
  if (question.seconds > what.longest) lacking.push(`at most ${formatDuration(what.longest * 1000)}`);
  if (when.ticket !== null && !globMatches(when.ticket, question.ticket ?? '')) {
    lacking.push(`a ticket like ${when.ticket}`);
  }
  if (when.justification && question.justification === null) lacking.push('a justification');
  if (emergency !== null && !question.emergency) lacking.push('that it is an emergency');
  return lacking;
}

function circumstances({ hours, sources }: When, { nowMs, source }: AccessQuestion): string[] {
  const unmet: string[] = [];
  if (hours.length > 0 && !hours.some((span) => new Clock(span).includes(nowMs))) {
    unmet.push(`asked ${describeConditions({ hours }).join(' ')}`);
  }
  if (sources.length > 0 && (source === null || !new AddressBlocks(sources).has(source))) {
    unmet.push(`asked from ${sources.join(', ')}`);
  }
  return unmet;
}
