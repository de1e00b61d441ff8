/**
 * From what was seen to the smallest scope that would have let all of it through. A record names the verbs and the objects of a
 * command, not which verb went to which object; where there are several of both, the text of one such statement is read again.
 */
import { PosternError } from '../../core/errors.ts';
import type { Observation, ObservedScope, Right, UsedRight } from '../observed.ts';
import { isReadableCatalog } from './catalogs.ts';
import type { Access, Verb } from './classified.ts';
import { VERBS } from './classified.ts';
import { Engine } from './engine.ts';
import { examineText } from './examine-text.ts';
import type { CatalogAccess } from './scope.ts';
import { formatScope, type NamePattern, type ObjectPattern, parseScope, type Scope } from './scope-text.ts';

/** What the parser reads inline; longer texts count as unresolved. */
const TEXT_MAX = 8192;
const CHANNEL: ReadonlySet<string> = new Set<Verb>(['listen', 'notify']);

/** The smallest scope that covers all of the observations. */
export async function observedScope(
  observations: Iterable<Observation>,
  catalogAccess: CatalogAccess,
): Promise<ObservedScope> {
  const reader = new TextReader();
  const used = new Map<string, { verb: string; object: string; commands: number }>();
  const total = { commands: 0, unresolved: 0 };
  for (const { verbs, objects, commands, text } of observations) {
    total.commands += commands;
    let pairs = certainPairs(verbs, objects);
    if (pairs === null) {
      const read = await reader.read(await text());
      pairs = read === null ? null : pairsOf(read, objects);
      if (pairs === null) total.unresolved += commands;
    }
    for (const [verb, object] of pairs ?? everyPair(verbs, objects)) {
      if (isFree(verb, object, catalogAccess)) continue;
      const key = `${verb} ${object}`;
      const held = used.get(key) ?? { verb, object, commands: 0 };
      held.commands += commands;
      used.set(key, held);
    }
  }
  const rights = [...used.values()].sort(
    (a, b) => b.commands - a.commands || (`${a.object} ${a.verb}` < `${b.object} ${b.verb}` ? -1 : 1),
  );
  return { scope: rights.length === 0 ? null : scopeOfRights(rights), rights, ...total };
}

type Pair = readonly [verb: string, object: string];

/** With one verb or one object it is certain which went where. */
function certainPairs(verbs: readonly string[], objects: readonly string[]): Pair[] | null {
  return verbs.length <= 1 || objects.length <= 1 ? everyPair(verbs, objects) : null;
}

const everyPair = (verbs: readonly string[], objects: readonly string[]): Pair[] =>
  verbs.flatMap((verb) =>
    objects
      .filter((object) => CHANNEL.has(verb) === (objectPattern(object)?.schema === null))
      .map((object) => [verb, object] as const),
  );

/** Each access with the objects of the record that bear its name; null where one has none, or not every object has its access. */
function pairsOf(accesses: readonly Access[], objects: readonly string[]): Pair[] | null {
  const pairs: Pair[] = [];
  const taken = new Set<string>();
  for (const { verb, schema, name } of accesses) {
    const own = objects.filter((object) => {
      const pattern = objectPattern(object);
      if (pattern === null) return false;
      const is = (part: NamePattern, text: string): boolean =>
        part.text === text && (part.quoted || !/[*?]/.test(text) || text === '*');
      const named = name === '' ? pattern.name.text === '*' && !pattern.name.quoted : is(pattern.name, name);
      return named && (schema === null || pattern.schema === null || is(pattern.schema, schema));
    });
    if (own.length === 0) return null;
    for (const object of own) {
      taken.add(object);
      pairs.push([verb, object]);
    }
  }
  return taken.size === new Set(objects).size ? pairs : null;
}

function objectPattern(object: string): ObjectPattern | null {
  for (const verb of ['select', 'listen']) {
    try {
      return parseScope(`${verb} on ${object}`).rules[0]?.objects[0] ?? null;
    } catch (error) {
      // A channel has no schema, everything else has one.
      if (!(error instanceof PosternError)) throw error;
    }
  }
  return null;
}

/** What tools read of the catalogues needs no scope where the resource says so. */
function isFree(verb: string, object: string, catalogAccess: CatalogAccess): boolean {
  const pattern = objectPattern(object);
  return (
    catalogAccess === 'tools' &&
    (verb === 'select' || verb === 'copy') &&
    pattern !== null &&
    pattern.schema !== null &&
    isReadableCatalog(pattern.schema.text, pattern.name.text)
  );
}

/** The smallest scope that has these rights, canonical. Objects with the same verbs share a rule. At least one. */
export function scopeOfRights(rights: readonly Right[]): string {
  const verbsOf = new Map<string, Set<string>>();
  for (const { verb, object } of rights) {
    verbsOf.set(object, (verbsOf.get(object) ?? new Set()).add(verb));
  }
  const rules = new Map<string, string[]>();
  const order = Object.keys(VERBS) as Verb[];
  for (const [object, verbs] of [...verbsOf].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const list = order.filter((verb) => verbs.has(verb)).join(', ');
    rules.set(list, [...(rules.get(list) ?? []), object]);
  }
  const text = [...rules]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([verbs, objects]) => `${verbs} on ${objects.join(', ')}`);
  return formatScope(parseScope(text.join('; ')));
}

/** Reads texts with an engine that is replaced when one wore it out. */
class TextReader {
  #engine: Engine | null = null;

  /** What the text does to what; null where that cannot be told. */
  async read(text: string | null): Promise<readonly Access[] | null> {
    if (text === null || text.length > TEXT_MAX) return null;
    this.#engine ??= await Engine.create();
    const { examined, lost } = examineText(this.#engine, text);
    if (lost) this.#engine = null;
    return examined.classified.denied === null ? examined.classified.accesses : null;
  }
}

/** The rights of a granted scope that none of those used falls under. */
export function unusedRights(
  granted: Scope,
  used: readonly UsedRight[],
  within: (inner: string, outer: string) => boolean,
): Right[] {
  return granted.rules.flatMap(({ rights, objects }) =>
    objects.flatMap((object) =>
      rights
        .filter(({ verb }) => {
          const right = formatScope({ rules: [{ rights: [{ verb, columns: null }], objects: [object] }] });
          return !used.some((each) => each.verb === verb && within(`${each.verb} on ${each.object}`, right));
        })
        .map(({ verb }) => ({
          verb,
          object: formatScope({ rules: [{ rights: [{ verb, columns: null }], objects: [object] }] }).slice(
            verb.length + 4,
          ),
        })),
    ),
  );
}
