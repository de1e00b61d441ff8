import type { RehearsalStep } from '../../api/rehearse.ts';
import type { Declaration } from '../../store/entities.ts';
import type { ApiClient } from '../support/client.ts';
import { CliError } from '../support/failure.ts';
import type { Action } from './action.ts';
import { type Kind, type Planning, planManifest } from './kind.ts';
import type { Live } from './live.ts';
import { failure, type Manifest, type Problem } from './manifests.ts';
import { maskKind } from './mask-kind.ts';
import { policyKind } from './policy-kind.ts';
import { principalKind } from './principal-kind.ts';
import { resourceKind } from './resource-kind.ts';

/** Every kind that can be declared, in the order in which they are made: what is named before what names it. */
const KINDS: readonly Kind[] = [resourceKind, principalKind, maskKind, policyKind];

export interface Plan {
  readonly actions: readonly Action[];
  /** Things of the set that ended otherwise: the set only forgets them. */
  readonly gone: readonly Declaration[];
}

/**
 * The changes that make what is what is declared; with a set, also those that end what is not declared any more.
 *
 * @throws CliError that names every problem with its file and line
 */
export async function planAll(
  manifests: readonly Manifest[],
  live: Live,
  { reason, prune }: { readonly reason: string; readonly prune: boolean },
): Promise<Plan> {
  const problems: Problem[] = [];
  const planning: Planning = { live, reason, problems, kept: new Set() };
  for (const { file, line, kind } of manifests) {
    if (KINDS.some(({ name }) => name === kind)) continue;
    const known = KINDS.map(({ name }) => name).join(', ');
    problems.push({ file, line, message: `the kind "${kind}" is not known; there are ${known}` });
  }
  const actions: Action[] = [];
  for (const kind of KINDS) {
    for (const manifest of manifests) {
      if (manifest.kind === kind.name) actions.push(...(await planManifest(kind, manifest, planning)));
    }
  }
  if (problems.length > 0) throw failure(problems, 'the declarations are wrong');
  const { ends, gone } = prune ? await endings(live, planning.kept, reason) : { ends: [], gone: [] };
  return { actions: [...actions, ...ends], gone };
}

/** What the set has and no file declares any more, in the order in which it can end: what names another first. */
async function endings(
  live: Live,
  kept: ReadonlySet<string>,
  reason: string,
): Promise<{ ends: Action[]; gone: Declaration[] }> {
  const ends: Action[] = [];
  const gone: Declaration[] = [];
  const loose = live.held.filter(({ object }) => !kept.has(object.id));
  const byId = new Map([...live.principals.values()].map((each) => [each.id, each]));
  const retiring = new Set(loose.filter(({ kind }) => kind === 'principal').map(({ object }) => object.name));
  const alive = async ({ kind, object }: Declaration): Promise<boolean> => {
    if (kind === 'principal') return (byId.get(object.id)?.status ?? 'retired') !== 'retired';
    if (kind === 'resource') return live.resources.get(object.name)?.status === 'active';
    if (kind === 'mask') return live.masks.get(object.name)?.status === 'active';
    if (kind === 'policy') return live.policies.get(object.name)?.status === 'active';
    // A principal that is retired takes its bindings with it.
    if (retiring.has(object.name)) return false;
    return (await live.bindings(object.name)).some(({ id }) => id === object.id);
  };
  for (const [kind, shown, operation] of [
    ['policy', 'AccessPolicy', 'policy.retire'],
    ['binding', 'Binding', 'binding.remove'],
    ['mask', 'MaskRule', 'mask.retire'],
    ['principal', 'Principal', 'principal.retire'],
    ['resource', 'Resource', 'resource.retire'],
  ] as const) {
    for (const held of loose.filter((each) => each.kind === kind)) {
      if (!(await alive(held))) {
        gone.push(held);
        continue;
      }
      const { id, name } = held.object;
      const step = { operation, ref: id, body: { reason } };
      const declares = { kind, id };
      ends.push({ verb: 'end', kind: shown, name, manifest: null, changes: [], step, declares });
    }
  }
  return { ends, gone };
}

/** Changes that are tried out together. */
export const REHEARSED_MAX = 1000;

/**
 * Tries all changes out on a copy of the state before the first of them is made.
 *
 * @throws CliError that names every one that would be refused
 */
export async function rehearse(api: ApiClient, actions: readonly Action[]): Promise<void> {
  if (actions.length > REHEARSED_MAX) {
    throw new CliError('CLI_TOO_MANY', `${actions.length} changes are more than ${REHEARSED_MAX} at a time`);
  }
  const problems = await rehearsalProblems(api, actions);
  if (problems.length > 0) throw failure(problems, 'Postern would refuse it');
}

/** What Postern would refuse of these changes, at most {@link REHEARSED_MAX}. */
export async function rehearsalProblems(api: ApiClient, actions: readonly Action[]): Promise<Problem[]> {
  if (actions.length === 0) return [];
  const steps: RehearsalStep[] = actions.map(({ step }) => step);
  const { outcomes } = await api.post<{ outcomes: ({ message: string; hint?: string } | null)[] }>(
    '/v1/rehearsals',
    { steps },
  );
  return outcomes.flatMap((outcome, n) => {
    const action = actions[n];
    if (outcome === null || action === undefined) return [];
    const message = `${action.kind} ${action.name}: ${outcome.message}${outcome.hint ? ` ${outcome.hint}` : ''}`;
    return [{ file: action.manifest?.file ?? 'prune', line: action.manifest?.line ?? 0, message }];
  });
}
