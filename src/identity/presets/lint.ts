import type { BindingOf } from '../../store/entities.ts';
import { presetNamed, presetOfIssuer } from './presets.ts';

/** What is wrong or doubtful about a binding. An `error` keeps one from being made. */
export interface LintFinding {
  /** Stable: scripts and runbooks match on it. */
  readonly code: string;
  readonly severity: 'error' | 'warning';
  readonly message: string;
  readonly fix: string;
}

export type Lintable = Pick<
  BindingOf<'oidc'>,
  'preset' | 'issuer' | 'audience' | 'claims' | 'contains' | 'reuse'
>;

/** Claims that name a branch or tag, which whoever may write to it decides about. */
const REFS: ReadonlySet<string> = new Set(['ref', 'build_branch', 'oidc.circleci.com/vcs-ref']);
/** What narrows a job down beyond a branch: someone else must agree, or the branch is kept from most. */
const KEPT: ReadonlySet<string> = new Set([
  ...['environment', 'ref_protected', 'job_workflow_ref', 'job_workflow_sha', 'ci_config_ref_uri'],
  ...['ci_config_sha', 'oidc.circleci.com/context-ids', 'environment_protected', 'step_key'],
]);
const UNTRUSTED_EVENTS: Readonly<Record<string, RegExp>> = {
  event_name: /^(pull_request|pull_request_target|pull_request_review|issue_comment|issues|fork)/,
  pipeline_source: /^(merge_request_event|external_pull_request_event)$/,
  ref: /^refs\/(pull|merge-requests)\//,
  'oidc.circleci.com/vcs-ref': /^refs\/(pull|heads\/pull\/)/,
  sub: /(^|:)(pull_request|pull-request|merge_request)(:|$)/,
};

/**
 * Looks for what makes a binding wider than it looks, or lets it go to somebody else later. Pure: evidence says the same
 * from a record, and its renderer is another (`RENDERER`) where these rules are.
 */
export function lintBinding(binding: Lintable): LintFinding[] {
  return [...ofValues(binding), ...ofPlatform(binding), ...ofJobs(binding)];
}

function ofValues({ audience, claims, contains = {}, reuse, preset }: Lintable): LintFinding[] {
  const found: LintFinding[] = [];
  const wild = Object.entries({ ...claims, ...contains, aud: audience }).filter(([, value]) =>
    value.includes('*'),
  );
  for (const [name] of wild)
    found.push({
      code: 'wildcard',
      severity: 'error',
      message: `The value of ${name} holds a "*", which stands for itself alone: no token will fit, or not the one that is meant.`,
      fix: 'Give the exact value. Several workloads are several bindings.',
    });
  const platform = presetNamed(preset);
  if (reuse && platform?.reuse !== true)
    found.push({
      code: 'token-reuse',
      severity: 'warning',
      message:
        'A token may be exchanged again until it ends, so that a stolen one can be used beside its owner.',
      fix: 'Leave --reuse away where the platform gives a new token each time.',
    });
  for (const [claim, pattern] of Object.entries(UNTRUSTED_EVENTS))
    if (pattern.test(claims[claim] ?? ''))
      found.push({
        code: 'untrusted-event',
        severity: 'error',
        message: `${claim}=${claims[claim]} is of a run that anyone who proposes a change can start, with code of their own.`,
        fix: 'Bind runs of protected branches or of an environment with reviewers.',
      });
  return found;
}

function ofPlatform({ preset, issuer, audience, claims, contains = {} }: Lintable): LintFinding[] {
  const found: LintFinding[] = [];
  const known = presetOfIssuer(issuer);
  const platform = presetNamed(preset) ?? known;
  if (platform === undefined) return found;
  if (platform.sharedAudiences?.test(audience))
    found.push({
      code: 'shared-audience',
      severity: platform.name === 'circleci' ? 'warning' : 'error',
      message: `The audience ${audience} is not this Postern's alone: others receive such tokens and could show them here.`,
      fix: 'Have the token made for an audience of this Postern, such as its address.',
    });
  for (const { claim, about, required, tenant, list, flag } of platform.claims) {
    if (!required || Object.hasOwn(list ? contains : claims, claim)) continue;
    found.push({
      code: tenant ? 'missing-tenant' : 'missing-id',
      severity: 'error',
      message: tenant
        ? `Nothing says which tenant of ${platform.about} is meant: ${claim} is missing.`
        : `The workload is not named for good: ${claim} (${about}) is missing.`,
      fix: `Use the preset ${platform.name} with --${flag}.`,
    });
  }
  for (const [claim, value] of Object.entries(platform.always))
    if (claims[claim] !== value)
      found.push({
        code: 'missing-guard',
        severity: 'error',
        message: `${claim}=${value} is missing.`,
        fix: `Use the preset ${platform.name}, which always asks for it.`,
      });
  for (const [name, id] of Object.entries(platform.names))
    if (Object.hasOwn(claims, name))
      found.push({
        code: 'name-bound',
        severity: Object.hasOwn(claims, id) ? 'warning' : 'error',
        message: `${name} can be given to somebody else later, or change.`,
        fix: `Bind ${id} alone, which is never given again.`,
      });
  if (platform.name === 'github' && Object.hasOwn(claims, 'sub'))
    found.push({
      code: 'subject-bound',
      severity: 'error',
      message:
        'The subject of GitHub is put together from names and settings of the repository, and its form changed in 2026.',
      fix: 'Bind repository_id, repository_owner_id and environment or ref: postern binding add PRINCIPAL github ...',
    });
  return found;
}

/** Only of platforms that run jobs from branches. */
function ofJobs({ preset, issuer, claims, contains = {} }: Lintable): LintFinding[] {
  const platform = presetNamed(preset) ?? presetOfIssuer(issuer);
  if (!platform?.claims.some(({ claim }) => REFS.has(claim))) return [];
  const bound = [...Object.keys(claims), ...Object.keys(contains)];
  if (bound.some((name) => KEPT.has(name) && claims[name] !== 'false')) return [];
  const ref = bound.find((name) => REFS.has(name));
  if (ref === undefined)
    return [
      {
        code: 'any-branch',
        severity: 'warning',
        message: 'Jobs of any branch prove this principal: whoever may push one is it.',
        fix: 'Bind an environment with reviewers, a protected ref, or the workflow that holds the job.',
      },
    ];
  return [
    {
      code: 'mutable-ref',
      severity: 'warning',
      message: `Whoever may write to ${claims[ref]} decides what runs as this principal.`,
      fix: 'Bind an environment with reviewers as well, or protect the ref and bind that.',
    },
  ];
}
