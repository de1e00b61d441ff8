import type { Declaration } from '../../store/entities.ts';
import type { AccessPolicy, Binding, MaskRule, Principal, Resource } from '../support/api-types.ts';
import { type ApiClient, path } from '../support/client.ts';

/** What there is, as the API tells it. */
export interface Live {
  readonly principals: ReadonlyMap<string, Principal>;
  readonly resources: ReadonlyMap<string, Resource>;
  readonly masks: ReadonlyMap<string, MaskRule>;
  readonly policies: ReadonlyMap<string, AccessPolicy>;
  /** What the set has. */
  readonly held: readonly Declaration[];
  /** Bindings of a principal that hold. */
  bindings(principal: string): Promise<readonly Binding[]>;
}

/** @param set null where none is asked for */
export async function readLive(api: ApiClient, set: string | null): Promise<Live> {
  const named = <T extends { readonly name: string }>(all: readonly T[]): Map<string, T> =>
    new Map(all.map((each) => [each.name, each]));
  const known = new Map<string, Promise<readonly Binding[]>>();
  return {
    principals: named(await api.all<Principal>('/v1/principals')),
    resources: named(await api.all<Resource>('/v1/resources')),
    masks: named(await api.all<MaskRule>('/v1/masks', { status: 'all' })),
    policies: named((await api.get<{ items: AccessPolicy[] }>('/v1/policies?status=all')).items),
    held: set === null ? [] : (await api.get<{ items: Declaration[] }>(path`/v1/sets/${set}`)).items,
    bindings: (principal) => {
      const asked = known.get(principal) ?? api.all<Binding>(path`/v1/principals/${principal}/bindings`, {});
      known.set(principal, asked);
      return asked;
    },
  };
}
