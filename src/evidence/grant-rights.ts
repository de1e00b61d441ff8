import { rightsOf, type ScopeRight } from '../access/scope-rights.ts';
import { PosternError } from '../core/errors.ts';
import type { Member } from './populations.ts';

type State = Readonly<Record<string, unknown>>;

/**
 * Each right of each grant that is active, as a row. When such a right was used last is asked of the commands (`commands_summary`): by the
 * grant, the verb, and the objects that fit `objects`. What fits none was not used; of a command with several verbs and objects each counts
 * as used on each.
 */
export function* grantRights(
  grants: ReadonlyMap<string, Member>,
  resources: ReadonlyMap<string, Member>,
): Generator<State> {
  for (const [grant, { leaf, lastLeaf, state }] of grants) {
    if (state.status !== 'active') continue;
    const { principal, resource, scope, start, end } = state;
    const on = (resource as { readonly id?: unknown } | undefined)?.id;
    const protocol = resources.get(String(on))?.state.protocol;
    const base = { leaf, lastLeaf, grant, principal, resource, start, end };
    for (const [n, right] of rightsIn(protocol, scope).entries()) {
      const { verb, columns, object, glob } = right;
      yield { ...base, id: `${grant} ${n + 1}`, verb, columns, object, objects: glob };
    }
  }
}

/** A scope that cannot be read has no rights that could be named: a package may hold anything. */
function rightsIn(protocol: unknown, scope: unknown): readonly ScopeRight[] {
  if ((protocol !== 'postgres' && protocol !== 'http') || typeof scope !== 'string') return [];
  try {
    return rightsOf(protocol, scope);
  } catch (error) {
    if (error instanceof PosternError) return [];
    throw error;
  }
}
