/**
 * Whether one scope lies within another: whatever the first lets through, so does the second. With it a policy says how far
 * requests may go, and a reviewer may narrow a grant and not widen it.
 */
import type { NamePattern, ObjectPattern, Right, Scope } from './scope-text.ts';

const isPlain = ({ quoted, text }: NamePattern): boolean => quoted || !/[*?]/.test(text);

/** As `compileSchema` has it: a system schema is meant only by a pattern that spells it out. */
function meansSystem({ quoted, text }: NamePattern): boolean {
  const literal = quoted ? text : (text.split(/[*?]/, 1)[0] as string);
  return literal.startsWith('pg_') || text === 'information_schema';
}

/**
 * Whether all names that `inner` matches are matched by `outer`. Wildcards of `inner` are held against those of `outer` as they
 * stand: only `*` takes a `*`. So a containment that would need to reason about several wildcards at once may be denied; none is
 * granted wrongly.
 */
export function patternWithin(inner: NamePattern, outer: NamePattern): boolean {
  if (isPlain(outer)) return isPlain(inner) && inner.text === outer.text;
  const literal = isPlain(inner);
  const glob = outer.text;
  const text = inner.text;
  // Two pointers and one point to fall back to, as in matching a name.
  let g = 0;
  let t = 0;
  let star = -1;
  let resume = 0;
  while (t < text.length) {
    const char = text[t];
    const wild = !literal && (char === '*' || char === '?');
    if (glob[g] === '*') {
      star = g;
      g += 1;
      resume = t;
    } else if (g < glob.length && (glob[g] === '?' ? !(wild && char === '*') : !wild && glob[g] === char)) {
      g += 1;
      t += 1;
    } else if (star !== -1) {
      g = star + 1;
      resume += 1;
      t = resume;
    } else {
      return false;
    }
  }
  while (glob[g] === '*') g += 1;
  return g === glob.length;
}

function schemaWithin(inner: NamePattern, outer: NamePattern): boolean {
  return (!meansSystem(inner) || meansSystem(outer)) && patternWithin(inner, outer);
}

function objectWithin(inner: ObjectPattern, outer: ObjectPattern): boolean {
  if (inner.schema === null || outer.schema === null) {
    return inner.schema === outer.schema && patternWithin(inner.name, outer.name);
  }
  // `schema.*` also stands for the schema as a whole, which has no name; another pattern does not.
  return schemaWithin(inner.schema, outer.schema) && patternWithin(inner.name, outer.name);
}

function rightWithin(right: Right, object: ObjectPattern, outer: Scope): boolean {
  const given = outer.rules
    .filter(({ objects }) => objects.some((each) => objectWithin(object, each)))
    .flatMap(({ rights }) => rights.filter(({ verb }) => verb === right.verb));
  if (given.some(({ columns }) => columns === null)) return true;
  const columns = given.flatMap((each) => each.columns ?? []);
  return (
    right.columns?.every((column) => columns.some((each) => patternWithin(column, each))) === true &&
    right.columns.length > 0
  );
}

/** Whether `outer` lets through all that `inner` does. False where that is not certain. */
export function scopeWithin(inner: Scope, outer: Scope): boolean {
  return inner.rules.every(({ rights, objects }) =>
    objects.every((object) => rights.every((right) => rightWithin(right, object, outer))),
  );
}

/** Whether some name is matched by both. */
export function patternsMeet(a: NamePattern, b: NamePattern): boolean {
  const wildA = !isPlain(a);
  const wildB = !isPlain(b);
  // Which beginnings of `b` meet the beginning of `a` that was read so far.
  let row = Array.from({ length: b.text.length + 1 }, (_, j) => wildB && /^\**$/.test(b.text.slice(0, j)));
  row[0] = true;
  for (const charA of a.text) {
    const starA = wildA && charA === '*';
    const next: boolean[] = [starA && row[0] === true];
    for (let j = 1; j <= b.text.length; j += 1) {
      const charB = b.text[j - 1];
      const starB = wildB && charB === '*';
      const same = charA === charB || (wildA && charA === '?') || (wildB && charB === '?');
      next[j] =
        ((starA || starB) && (row[j] === true || next[j - 1] === true)) ||
        (same && !starA && !starB && row[j - 1] === true) ||
        ((starA || starB) && row[j - 1] === true);
    }
    row = next;
  }
  return row[b.text.length] === true;
}

/** Whether something is let through by both. True where that is not certain. */
export function scopesMeet(a: Scope, b: Scope): boolean {
  const pairs = (scope: Scope) =>
    scope.rules.flatMap(({ rights, objects }) =>
      rights.flatMap((right) => objects.map((object) => ({ ...right, object }))),
    );
  const others = pairs(b);
  return pairs(a).some((one) =>
    others.some(
      (other) =>
        one.verb === other.verb &&
        objectsMeet(one.object, other.object) &&
        (one.columns === null ||
          other.columns === null ||
          one.columns.some((column) => other.columns?.some((each) => patternsMeet(column, each)))),
    ),
  );
}

function objectsMeet(a: ObjectPattern, b: ObjectPattern): boolean {
  if (a.schema === null || b.schema === null) return a.schema === b.schema && patternsMeet(a.name, b.name);
  return patternsMeet(a.schema, b.schema) && patternsMeet(a.name, b.name);
}
