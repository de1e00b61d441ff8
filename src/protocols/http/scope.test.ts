import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Asked, compileScope, formatScope, parseScope, scopeFor, VERBS } from './scope.ts';
import type { Condition, Scope, SegmentPattern } from './scope-text.ts';
import { scopesMeet, scopeWithin } from './scope-within.ts';
import { readQuery, readTarget } from './target.ts';

function asked(
  verb: string,
  text: string,
  headers: Record<string, string[]> = {},
  length: number | null = null,
): Asked {
  const target = readTarget(text);
  if ('refused' in target) throw new Error(target.refused);
  const { segments, path, search } = target;
  return {
    verb: verb as Asked['verb'],
    segments,
    path,
    query: readQuery(search),
    header: (name) => headers[name] ?? [],
    length,
  };
}

const covers = (scope: string, ask: Asked): boolean => 'rule' in compileScope(parseScope(scope))(ask);

const rec = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record(model, { noNullPrototype: true });
const name = fc.oneof(
  fc.constantFrom('a', 'b', '', 'v1', 'x,y', 'a b', '*', 'only', 'é'),
  fc.string({ maxLength: 6 }),
);
const literal = fc
  .constantFrom('a', 'b', 'v1', 'a b', 'x,y', '*', '(x)', 'é', 'x;y')
  .map((text): SegmentPattern => ({ text }));
const pattern: fc.Arbitrary<readonly SegmentPattern[]> = fc
  .tuple(
    fc.array(fc.oneof(literal, fc.constant<SegmentPattern>('*')), { maxLength: 3 }),
    fc.constantFrom<SegmentPattern | null>('**', { text: '' }, null),
  )
  .map(([front, last]) => (last === null ? front : [...front, last]))
  .filter((segments) => segments.length > 0);
const value = fc
  .oneof(fc.constantFrom('1', 'open', 'a b', ''), name)
  .filter((text) => !/["\p{Cc}]/u.test(text));
const condition: fc.Arbitrary<Condition> = fc.oneof(
  rec({
    kind: fc.constant('query' as const),
    name: fc.constantFrom('q', 'only', 'a b'),
    values: values(),
  }),
  rec({ kind: fc.constant('header' as const), name: fc.constant('x-tenant'), values: values() }),
  rec({ kind: fc.constant('query only' as const), names: values(0) }),
  rec({ kind: fc.constant('body' as const), most: fc.constantFrom(0, 10, 1024, 5 * 2 ** 20) }),
  rec({ kind: fc.constant('rate' as const), most: fc.integer({ min: 0, max: 1000 }) }),
);
function values(minLength = 1): fc.Arbitrary<string[]> {
  return fc.uniqueArray(value, { minLength, maxLength: 3 }).map((list) => list.sort());
}
const scopes: fc.Arbitrary<Scope> = fc
  .array(
    rec({
      verbs: fc.subarray([...VERBS], { minLength: 1 }),
      paths: fc.array(pattern, { minLength: 1, maxLength: 2 }),
      conditions: fc.uniqueArray(condition, { maxLength: 2, selector: (each) => each.kind }),
    }),
    { minLength: 1, maxLength: 3 },
  )
  .map((rules) => ({ rules }));
const requests = rec({
  verb: fc.constantFrom(...VERBS),
  segments: fc.array(fc.constantFrom('a', 'b', 'v1', 'a b', 'x,y', '*'), { maxLength: 3 }),
  last: fc.constantFrom([], ['']),
  query: fc.array(fc.tuple(fc.constantFrom('q', 'only', 'Q'), fc.constantFrom('1', 'open', '')), {
    maxLength: 2,
  }),
  tenant: fc.array(fc.constantFrom('1', 'open'), { maxLength: 2 }),
  length: fc.constantFrom(null, 0, 9, 1000, 10_000_000),
}).map(({ verb, segments, last, query, tenant, length }): Asked => {
  const all = [...segments, ...last];
  return { verb, segments: all.length === 0 ? [''] : all, path: '', query, header: () => tenant, length };
});

describe('an HTTP scope', () => {
  it('covers its methods on its paths and nothing else', () => {
    const scope = 'GET, HEAD on /v1/accounts/*, /v1/reports/**; post on /v1/transfers';
    for (const [verb, path, expected] of [
      ['GET', '/v1/accounts/42', true],
      ['GET', '/v1/accounts/', false],
      ['GET', '/v1/accounts', false],
      ['GET', '/v1/accounts/42/entries', false],
      ['GET', '/v1/reports/', true],
      ['GET', '/v1/reports/2026/q3', true],
      ['GET', '/v1/reports', false],
      ['GET', '/V1/accounts/42', false],
      ['POST', '/v1/transfers', true],
      ['POST', '/v1/accounts/42', false],
      ['DELETE', '/v1/accounts/42', false],
      ['GRPC', '/v1/transfers', false],
      ['WEBSOCKET', '/v1/accounts/42', false],
    ] as const) {
      assert.equal(covers(scope, asked(verb, path)), expected, `${verb} ${path}`);
    }
  });

  it('looks at parameters, headers and the size of the body', () => {
    const scope =
      'GET on /a where query status in (open, closed) and query only (status, page); PUT on /a where header x-tenant = blue and body <= 1KiB';
    assert.ok(covers(scope, asked('GET', '/a?status=open&page=2')));
    for (const text of [
      '/a',
      '/a?status=all',
      '/a?status=open&status=all',
      '/a?status=open&STATUS=all',
      '/a?status=open&x=1',
      '/a?status=open;x=1',
    ]) {
      assert.ok(!covers(scope, asked('GET', text)), text);
    }
    assert.ok(covers(scope, asked('PUT', '/a', { 'x-tenant': ['blue'] }, 1024)));
    assert.ok(!covers(scope, asked('PUT', '/a', { 'x-tenant': ['blue'] }, 1025)));
    assert.ok(!covers(scope, asked('PUT', '/a', { 'x-tenant': ['blue', 'red'] })));
    assert.ok(!covers(scope, asked('PUT', '/a')));
    const covered = compileScope(parseScope(scope))(asked('PUT', '/a', { 'x-tenant': ['blue'] }));
    assert.deepEqual(covered, { rule: 2, maxBody: 1024, rate: Number.POSITIVE_INFINITY });
  });

  it('says where it is wrong', () => {
    for (const text of [
      '',
      'GET',
      'GET on',
      'on /a',
      'CONNECT on /a',
      'GET on a',
      'GET on /a/**/b',
      'GET on /a*',
      'GET on //a',
      'GET on /a/../b',
      'GET on /a?x=1',
      'GET on /a where',
      'GET on /a where body <= 1XB',
      'GET on /a where header host = x',
      'GET on /a where header authorization = x',
      'GET on /a where query x',
      'GET on /a where query x = 1 and query x = 2',
      'GET on /a; ; GET on /b',
      'GET on /a extra',
      'GET on /a where rate <= 5',
      "GET on /a '",
      'GET on /%2e%2e/a',
    ]) {
      assert.throws(() => parseScope(text), { code: 'POSTERN_INVALID' }, text);
    }
  });

  it('has one text, which is read as the same scope', () => {
    fc.assert(
      fc.property(scopes, (scope) => {
        const text = formatScope(scope);
        assert.deepEqual(parseScope(text), scope);
        assert.equal(formatScope(parseScope(text)), text);
      }),
    );
    assert.equal(
      formatScope(parseScope('head,get ON /a WHERE rate <= 10/min')),
      'GET, HEAD on /a where rate <= 10/min',
    );
  });

  it('is within another only where every request that it covers is covered there', () => {
    let within = 0;
    fc.assert(
      fc.property(scopes, scopes, fc.array(requests, { minLength: 20, maxLength: 40 }), (a, b, all) => {
        const inA = compileScope(a);
        const inB = compileScope(b);
        const inside = scopeWithin(a, b);
        if (inside) within += 1;
        for (const each of all) {
          const one = 'rule' in inA(each);
          const other = 'rule' in inB(each);
          if (inside && one) assert.ok(other);
          if (one && other) assert.ok(scopesMeet(a, b));
        }
        assert.ok(scopeWithin(a, a));
      }),
      { numRuns: 500 },
    );
    assert.ok(within > 0);
    const is = (a: string, b: string): boolean => scopeWithin(parseScope(a), parseScope(b));
    assert.ok(is('GET on /a/b/c', 'GET, HEAD on /a/**'));
    assert.ok(is('GET on /a/* where query only ()', 'GET on /a/* where query only (x)'));
    assert.ok(!is('GET on /a/**', 'GET on /a/*'));
    assert.ok(!is('GET on /a', 'GET on /a where rate <= 5/min'));
    assert.ok(!is('GET on /a', 'GET on /a/**'));
  });

  it('can be asked for by what was refused', () => {
    for (const path of ['/v1/accounts/42', '/', '/a%20b/x,y(1)*', '/caf%C3%A9/']) {
      const ask = asked('GET', path);
      assert.ok(covers(scopeFor(ask), ask), path);
    }
  });
});
