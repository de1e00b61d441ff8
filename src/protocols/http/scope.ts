/** The scope of an HTTP grant, compiled for the hot path. docs/http.md is the page for users. */

import type { Condition, Scope, SegmentPattern, Verb } from './scope-text.ts';
import { encodeSegment } from './target.ts';

export { formatScope, parseScope, type Scope, VERBS, type Verb } from './scope-text.ts';

/** What a request asks for. */
export interface Asked {
  readonly verb: Verb;
  /** Decoded segments of the path. */
  readonly segments: readonly string[];
  /** Canonical path. */
  readonly path: string;
  /** Null where servers would disagree on what the parameters are. */
  readonly query: readonly (readonly [name: string, value: string])[] | null;
  /** All values of a header, by its name in lower case. */
  readonly header: (name: string) => readonly string[];
  /** Bytes of the body, where the client says so before it; null where it does not. */
  readonly length: number | null;
}

/** Under which rule a request is covered. */
export interface Covered {
  /** Of the rule in its scope, from 1 on. */
  readonly rule: number;
  /** Bytes of the body at most; infinite without a limit. */
  readonly maxBody: number;
  /** Requests in a minute at most; infinite without a limit. */
  readonly rate: number;
}

export interface NotCovered {
  /** What is wrong with it, where the verb on the path would be covered; null where that is not. */
  readonly unmet: string | null;
}

export type CompiledScope = (asked: Asked) => Covered | NotCovered;

/** Segments of a path that a rule is about, in a form that is quick to compare. */
function pathMatches(pattern: readonly SegmentPattern[], segments: readonly string[]): boolean {
  const open = pattern.at(-1) === '**';
  if (open ? segments.length < pattern.length : segments.length !== pattern.length) return false;
  const fixed = open ? pattern.length - 1 : pattern.length;
  for (let index = 0; index < fixed; index++) {
    const expected = pattern[index] as SegmentPattern;
    const segment = segments[index] as string;
    if (typeof expected === 'object' ? expected.text !== segment : segment === '') return false;
  }
  return true;
}

/** Why a condition does not hold, or null. Whatever is not certain does not hold. */
function unmet(condition: Condition, { query, header, length }: Asked): string | null {
  switch (condition.kind) {
    case 'query': {
      const { name, values } = condition;
      if (query === null) return 'the query cannot be read for certain';
      // Some servers take the first, some the last, some all of them; some do not tell letters apart.
      const given = query.filter(([each]) => each.toLowerCase() === name.toLowerCase());
      const fits =
        given.length > 0 && given.every(([each, value]) => each === name && values.includes(value));
      return fits ? null : `the parameter ${name} is not ${values.join(' or ')}`;
    }
    case 'query only': {
      if (query === null) return 'the query cannot be read for certain';
      const other = query.find(([name]) => !condition.names.includes(name));
      return other === undefined
        ? null
        : `the parameter ${JSON.stringify(other[0].slice(0, 60))} is not one of the grant's`;
    }
    case 'header': {
      const { name, values } = condition;
      const given = header(name);
      return given.length === 1 && values.includes((given[0] as string).trim())
        ? null
        : `the header ${name} is not ${values.join(' or ')}`;
    }
    case 'body':
      return length !== null && length > condition.most
        ? `the body has more than ${condition.most} bytes`
        : null;
    case 'rate':
      return null;
  }
}

export function compileScope({ rules }: Scope): CompiledScope {
  return (asked) => {
    let why: string | null = null;
    for (const [index, { verbs, paths, conditions }] of rules.entries()) {
      if (!verbs.includes(asked.verb) || !paths.some((path) => pathMatches(path, asked.segments))) continue;
      let missing: string | null = null;
      for (const condition of conditions) missing ??= unmet(condition, asked);
      if (missing === null) return { rule: index + 1, ...limits(conditions) };
      why ??= missing;
    }
    return { unmet: why };
  };
}

function limits(conditions: readonly Condition[]): { readonly maxBody: number; readonly rate: number } {
  let maxBody = Number.POSITIVE_INFINITY;
  let rate = Number.POSITIVE_INFINITY;
  for (const condition of conditions) {
    if (condition.kind === 'body') maxBody = condition.most;
    else if (condition.kind === 'rate') rate = condition.most;
  }
  return { maxBody, rate };
}

/** The scope that would cover a request, as it can be asked for. */
export function scopeFor({ verb, segments }: Pick<Asked, 'verb' | 'segments'>): string {
  const path = segments.map((segment) => `/${encodeSegment(segment)}`).join('');
  return `${verb} on ${path.replace(/[*,()]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`)}`;
}
