import { PosternError } from '../core/errors.ts';
import type { ProtocolName } from '../core/views.ts';
import * as httpObserved from '../protocols/http/observed-scope.ts';
import * as httpScope from '../protocols/http/scope-text.ts';
import * as httpWithin from '../protocols/http/scope-within.ts';
import type { Observation, ObservedScope, Right } from '../protocols/observed.ts';
import { observedScope, scopeOfRights, unusedRights } from '../protocols/postgres/observed-scope.ts';
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
  if (protocol === 'http') return httpScope.formatScope(httpScope.parseScope(text));
  throw new PosternError('POSTERN_UNSUPPORTED', `There is no scope grammar for the protocol ${protocol}.`);
};

/** Of which protocol the scope of a rule is. Only one of HTTP has a path, from `/` on, and no other grammar has a `/` outside of quotes. */
export function protocolOfScope(text: string): ProtocolName {
  return text.replace(/"[^"]*"/g, '').includes('/') ? 'http' : 'postgres';
}

/** As {@link validateScope}, of a text that says by itself of which protocol it is: that of a rule, which may be about several resources. */
export const validateAnyScope = (text: string): string => validateScope(protocolOfScope(text), text);

/** The smallest scope that would have let through what was seen. */
export async function smallestScope(
  resource: Pick<Resource, 'protocol' | 'catalogAccess'>,
  observations: Iterable<Observation>,
): Promise<ObservedScope> {
  return resource.protocol === 'http'
    ? httpObserved.observedScope(observations)
    : observedScope(observations, resource.catalogAccess);
}

const within = (inner: string, outer: string): boolean =>
  scopeRelations.within(protocolOfScope(outer), inner, outer);

/** The rights of granted scopes under which nothing was done, as texts that stand apart. */
export function unusedOf(granted: readonly string[], used: ObservedScope): readonly Right[] {
  return granted.flatMap((text) =>
    protocolOfScope(text) === 'http'
      ? httpObserved.unusedRights(httpScope.parseScope(text), used.rights, within)
      : unusedRights(parseScope(text), used.rights, within),
  );
}

/** The smallest scope that covers what was used of a granted one; null where nothing of it was, or it cannot be told. */
export function usedPartOf(granted: string, used: ObservedScope): string | null {
  const rights = used.rights.filter(({ verb, object }) => within(`${verb} on ${object}`, granted));
  if (rights.length === 0) return null;
  const scope =
    protocolOfScope(granted) === 'http' ? httpObserved.scopeOfRights(rights) : scopeOfRights(rights);
  return scope === granted ? null : scope;
}

/** The verbs that a scope gives on anything. */
export function verbsOf(scope: string): readonly string[] {
  const verbs =
    protocolOfScope(scope) === 'http'
      ? httpScope.parseScope(scope).rules.flatMap((rule) => rule.verbs)
      : parseScope(scope).rules.flatMap(({ rights }) => rights.map(({ verb }) => verb));
  return [...new Set<string>(verbs)];
}

/** How two scopes of one protocol stand to each other. Each answers for the worse case where it is not certain. */
export const scopeRelations = {
  /** Whether all that `inner` lets through, `outer` does. */
  within: (protocol: string, inner: string, outer: string): boolean => {
    if (protocolOfScope(outer) !== protocol) return false;
    return protocol === 'http'
      ? httpWithin.scopeWithin(httpScope.parseScope(inner), httpScope.parseScope(outer))
      : scopeWithin(parseScope(inner), parseScope(outer));
  },
  /** Whether both let something through. */
  meet: (protocol: string, a: string, b: string): boolean => {
    if (protocolOfScope(b) !== protocol) return false;
    return protocol === 'http'
      ? httpWithin.scopesMeet(httpScope.parseScope(a), httpScope.parseScope(b))
      : scopesMeet(parseScope(a), parseScope(b));
  },
} as const;
