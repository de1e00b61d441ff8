import { type ApiClient, path } from '../support/client.ts';
import { CliError } from '../support/failure.ts';
import { type Action, perform } from './action.ts';

interface Declared {
  readonly kind: string;
  readonly id: string;
}

/** What came of it: what was done, in order, and what was not, the one that failed first. */
export interface Done {
  readonly done: readonly Action[];
  readonly left: readonly Action[];
  readonly error: CliError | null;
}

/**
 * Makes the changes one after the other and stops at the first that fails. The set, where there is one, is told of each as soon
 * as it is made: what is made and not told is never ended by `--prune`.
 *
 * @param onDone told after each
 */
export async function carryOut(
  api: ApiClient,
  actions: readonly Action[],
  set: string | null,
  onDone: (count: number) => void,
): Promise<Done> {
  const done: Action[] = [];
  for (const action of actions) {
    try {
      const id = await perform(api, action.step);
      const declared = { kind: action.declares.kind, id };
      if (set !== null && action.verb === 'create') await tellSet(api, set, [declared], []);
      if (set !== null && action.verb === 'end') await tellSet(api, set, [], [declared]);
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      return { done, left: actions.slice(done.length), error };
    }
    done.push(action);
    onDone(done.length);
  }
  return { done, left: [], error: null };
}

/** Adds what was made for a set to it, and takes out what ended. */
export async function tellSet(
  api: ApiClient,
  set: string,
  add: readonly Declared[],
  remove: readonly Declared[],
): Promise<void> {
  await api.post(path`/v1/sets/${set}`, { add, remove });
}
