import { PosternError } from '../core/errors.ts';
import {
  type Observation,
  type ObservedScope,
  observedScope,
  scopeOfRights,
  type UnusedRight,
  unusedRights,
} from '../protocols/postgres/observed-scope.ts';
import { formatScope, parseScope } from '../protocols/postgres/scope.ts';
import { scopesMeet, scopeWithin } from '../protocols/postgres/scope-within.ts';
import type { Resource } from '../store/entities.ts';

/**
 * Checks a scope text in the grammar of the resource's protocol and gives its canonical form, which is what a
 * grant keeps: what the approver sees, the log says and the gateway compiles is one text.
 *
 * @throws PosternError POSTERN_INVALID with the position and the reason
 */
export type ValidateScope = (protocol: string, text: string) => string;

export const validateScope: ValidateScope = (protocol, text) => {
  if (protocol === 'postgres') return formatScope(parseScope(text));
  throw new PosternError('POSTERN_UNSUPPORTED', `There is no scope grammar for the protocol ${protocol}.`);
};

/**
 * The smallest scope that would have let through what was seen.
 */
export function smallestScope(
  resource: Pick<Resource, 'protocol' | 'catalogAccess'>,
  observations: Iterable<Observation>,
): Promise<ObservedScope> {
  return observedScope(observations, resource.catalogAccess);
}

/** The rights of granted scopes under which nothing was done, as texts that stand apart. */
export function unusedOf(granted: readonly string[], used: ObservedScope): readonly UnusedRight[] {
  const within = (inner: string, outer: string): boolean => scopeWithin(parseScope(inner), parseScope(outer));
  return granted.flatMap((text) => unusedRights(parseScope(text), used.rights, within));
}

/** The smallest scope that covers what was used of a granted one; null where nothing of it was, or it cannot be told. */
export function usedPartOf(granted: string, used: ObservedScope): string | null {
  const whole = parseScope(granted);
  const rights = used.rights.filter(({ verb, object }) =>
    scopeWithin(parseScope(`${verb} on ${object}`), whole),
  );
  if (rights.length === 0) return null;
  const scope = scopeOfRights(rights);
  return scope === granted ? null : scope;
}

/** The verbs that a scope gives on anything. */
export function verbsOf(scope: string): readonly string[] {
  return [...new Set(parseScope(scope).rules.flatMap(({ rights }) => rights.map(({ verb }) => verb)))];
}

/** How two scopes of one protocol stand to each other. Each answers for the worse case where it is not certain. */
export const scopeRelations = {
  /** Whether all that `inner` lets through, `outer` does. */
  within: (protocol: string, inner: string, outer: string): boolean =>
    protocol === 'postgres' && scopeWithin(parseScope(inner), parseScope(outer)),
  /** Whether both let something through. */
  meet: (protocol: string, a: string, b: string): boolean =>
    protocol !== 'postgres' || scopesMeet(parseScope(a), parseScope(b)),
} as const;
