/** How two HTTP scopes stand to each other. Each answers for the worse case where it is not certain. */
import type { Condition, Scope, ScopeRule, SegmentPattern } from './scope-text.ts';

/** Whether every request that `inner` covers is covered by `outer`. */
export function scopeWithin(inner: Scope, outer: Scope): boolean {
  return inner.rules.every((rule) =>
    rule.verbs.every((verb) =>
      rule.paths.every((path) =>
        outer.rules.some(
          (other) =>
            other.verbs.includes(verb) &&
            other.paths.some((wider) => pathWithin(path, wider)) &&
            other.conditions.every((condition) => rule.conditions.some((own) => implies(own, condition))),
        ),
      ),
    ),
  );
}

/** Whether some request may be covered by both. Conditions are taken to meet. */
export function scopesMeet(a: Scope, b: Scope): boolean {
  return a.rules.some((one) => b.rules.some((other) => rulesMeet(one, other)));
}

function rulesMeet(one: ScopeRule, other: ScopeRule): boolean {
  return (
    one.verbs.some((verb) => other.verbs.includes(verb)) &&
    one.paths.some((path) => other.paths.some((each) => pathsMeet(path, each)))
  );
}

function pathWithin(inner: readonly SegmentPattern[], outer: readonly SegmentPattern[]): boolean {
  for (let index = 0; ; index++) {
    const wide = outer[index];
    const narrow = inner[index];
    if (wide === '**') return narrow !== undefined;
    if (wide === undefined || narrow === undefined) return wide === narrow;
    if (narrow === '**') return false;
    if (wide === '*' ? narrow !== '*' && narrow.text === '' : narrow === '*' || narrow.text !== wide.text)
      return false;
  }
}

function pathsMeet(a: readonly SegmentPattern[], b: readonly SegmentPattern[]): boolean {
  for (let index = 0; ; index++) {
    const one = a[index];
    const other = b[index];
    if (one === undefined || other === undefined) return one === other;
    if (one === '**' || other === '**') return true;
    if (typeof one === 'object' && typeof other === 'object' && one.text !== other.text) return false;
    const empty = (each: SegmentPattern): boolean => typeof each === 'object' && each.text === '';
    if ((one === '*' && empty(other)) || (other === '*' && empty(one))) return false;
  }
}

/** Whether what fulfils `own` fulfils `other`. */
function implies(own: Condition, other: Condition): boolean {
  const among = (some: readonly string[], all: readonly string[]): boolean =>
    some.every((each) => all.includes(each));
  switch (other.kind) {
    case 'query':
    case 'header':
      return own.kind === other.kind && own.name === other.name && among(own.values, other.values);
    case 'query only':
      return own.kind === other.kind && among(own.names, other.names);
    case 'body':
    case 'rate':
      return own.kind === other.kind && own.most <= other.most;
  }
}
