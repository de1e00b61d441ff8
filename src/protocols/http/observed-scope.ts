/** From what was seen to the smallest scope that would have let all of it through. */
import type { Observation, ObservedScope, Right, UsedRight } from '../observed.ts';
import { formatScope, parseScope, pathText, type Scope, VERBS } from './scope-text.ts';

/**
 * The smallest scope that covers all of the observations, in which an id in a path stands for every id in that place. Of a path that was too long for
 * its record the beginning is known: its scope is open below that, and the requests count as unresolved.
 */
export function observedScope(observations: Iterable<Observation>): ObservedScope {
  const used = new Map<string, UsedRight>();
  const total = { commands: 0, unresolved: 0 };
  for (const { verbs, objects, commands } of observations) {
    total.commands += commands;
    if (objects.some((each) => each.endsWith('...'))) total.unresolved += commands;
    for (const verb of verbs) {
      for (const route of objects) {
        const object = placeOf(route);
        const key = `${verb} ${object}`;
        used.set(key, { verb, object, commands: commands + (used.get(key)?.commands ?? 0) });
      }
    }
  }
  const rights = [...used.values()].sort(
    (a, b) => b.commands - a.commands || (`${a.object} ${a.verb}` < `${b.object} ${b.verb}` ? -1 : 1),
  );
  return { scope: rights.length === 0 ? null : scopeOfRights(rights), rights, ...total };
}

/** The path pattern of a route as a record has it. */
function placeOf(route: string): string {
  const text = route.endsWith('...') ? `${route.slice(0, route.lastIndexOf('/'))}/**` : route;
  return text
    .split('/')
    .map((part) => (part === '*' || part === '**' ? part : part.replace(/[*,()]/g, encodeMark)))
    .join('/');
}

const encodeMark = (mark: string): string => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`;

/** The smallest scope that has these rights, canonical. Paths with the same verbs share a rule. At least one. */
export function scopeOfRights(rights: readonly Right[]): string {
  const verbsOf = new Map<string, Set<string>>();
  for (const { verb, object } of rights) {
    verbsOf.set(object, (verbsOf.get(object) ?? new Set()).add(verb));
  }
  const rules = new Map<string, string[]>();
  for (const [object, verbs] of [...verbsOf].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const list = VERBS.filter((verb) => verbs.has(verb)).join(', ');
    rules.set(list, [...(rules.get(list) ?? []), object]);
  }
  const text = [...rules]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([verbs, objects]) => `${verbs} on ${objects.join(', ')}`);
  return formatScope(parseScope(text.join('; ')));
}

/** The rights of a granted scope that none of those used falls under. */
export function unusedRights(
  granted: Scope,
  used: readonly UsedRight[],
  within: (inner: string, outer: string) => boolean,
): Right[] {
  return granted.rules.flatMap(({ verbs, paths }) =>
    paths.flatMap((path) =>
      verbs
        .map((verb) => ({ verb, object: pathText(path) }))
        .filter(
          ({ verb, object }) =>
            !used.some(
              (each) => each.verb === verb && within(`${verb} on ${each.object}`, `${verb} on ${object}`),
            ),
        ),
    ),
  );
}
