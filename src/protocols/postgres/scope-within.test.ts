import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Verb } from './classified.ts';
import { compileScope, parseScope } from './scope.ts';
import { scopesMeet, scopeWithin } from './scope-within.ts';

const within = (inner: string, outer: string): boolean => scopeWithin(parseScope(inner), parseScope(outer));

test('what is named, or matched by fewer wildcards, lies within what is matched by more', () => {
  for (const [inner, outer] of [
    ['select on ledger.entries', 'select on ledger.*'],
    ['select on ledger.*', 'all on ledger.*'],
    ['select on ledger.acc*', 'select on *.a*'],
    ['select on ledger.a?', 'select on ledger.a*'],
    ['select (id, amount) on ledger.entries', 'select on ledger.*'],
    ['select (id) on ledger.entries', 'select (id) on ledger.e*; select (amount) on ledger.entries'],
    ['select (id, amount) on ledger.entries', 'select (id) on ledger.e*; select (amount) on ledger.entries'],
    ['listen on events', 'listen on *'],
    ['select on pg_catalog.pg_class', 'select on pg_*.*'],
    ['select on "Odd*".t', 'select on *.t'],
  ] as const) {
    assert.equal(within(inner, outer), true, `${inner} within ${outer}`);
  }
});

test('another verb, object, column, kind of object or system schema does not lie within', () => {
  for (const [inner, outer] of [
    ['update on ledger.entries', 'select on ledger.*'],
    ['select on ledger.*', 'select on ledger.entries'],
    ['select on hr.salaries', 'select on ledger.*'],
    ['select on *.*', 'select on ledger.*'],
    ['select on ledger.entries', 'select (id) on ledger.entries'],
    ['select (id, amount) on ledger.entries', 'select (id) on ledger.entries'],
    ['select on pg_catalog.pg_authid', 'select on *.*'],
    ['select on pg_catalog.pg_authid', 'select on p*.*'],
    ['select on information_schema.tables', 'select on info*.*'],
    ['select on ledger.*', 'select on ledger.?*'],
    ['select on ledger.a*', 'select on ledger.a?*'],
    ['select on ledger."a*"', 'select on ledger."a?"'],
    ['select on ledger.a*', 'select on ledger."a*"'],
    ['select on ledger.a; delete on ledger.a', 'select on ledger.*'],
  ] as const) {
    assert.equal(within(inner, outer), false, `${inner} within ${outer}`);
  }
});

const name = fc.stringMatching(/^[ab]{1,3}$/);
const pattern = fc.oneof(
  fc.stringMatching(/^[ab*?]{1,4}$/),
  fc.stringMatching(/^pg_[ab*?]{0,2}$/),
  fc.stringMatching(/^[ab*?]{1,3}$/).map((text) => `"${text}"`),
);
const verb = fc.constantFrom<Verb>('select', 'update', 'insert');
const rule = fc
  .tuple(
    fc.array(verb, { minLength: 1, maxLength: 2 }),
    fc.option(fc.array(pattern, { minLength: 1, maxLength: 2 })),
    pattern,
    pattern,
  )
  .map(([verbs, columns, schema, table]) => {
    const rights = verbs.map((each) => (columns === null ? each : `${each} (${columns.join(', ')})`));
    return `${rights.join(', ')} on ${schema}.${table}`;
  });
const scope = fc.array(rule, { minLength: 1, maxLength: 3 }).map((rules) => rules.join('; '));

/** Some letters of names become wildcards. */
const widened = (text: string): string =>
  text.replaceAll(
    / on [^;]*/g,
    (objects) =>
      ` on ${objects
        .slice(4)
        .replaceAll(/(?<!")[ab](?!")/g, '?')
        .replaceAll('?*', '*')}`,
  );

test('whatever a scope within another lets through, the other does too', () => {
  const schemaName = fc.oneof(name, fc.constantFrom('pg_', 'pg_a', 'pg_b', 'a*', 'information_schema'));
  fc.assert(
    fc.property(
      scope,
      scope,
      verb,
      schemaName,
      fc.oneof(name, fc.constant('')),
      name,
      (a, b, each, schema, table, column) => {
        // Half of the pairs are made to fit, else nearly none would.
        for (const outer of [b, `${b}; ${a}`, widened(a)]) {
          if (!within(a, outer)) continue;
          const small = compileScope(parseScope(a));
          const large = compileScope(parseScope(outer));
          if (small(each, schema, table)) assert.equal(large(each, schema, table), true);
          if (small.columns(each, schema, table)?.(column) === true) {
            assert.equal(
              large(each, schema, table) || large.columns(each, schema, table)?.(column) === true,
              true,
            );
          }
        }
      },
    ),
    { numRuns: 3000 },
  );
});

test('every scope lies within itself', () => {
  fc.assert(fc.property(scope, (text) => within(text, text)));
});

test('two scopes meet where both let the same thing through', () => {
  const schemaName = fc.oneof(name, fc.constantFrom('pg_', 'pg_a'));
  fc.assert(
    fc.property(scope, scope, verb, schemaName, name, name, (a, b, each, schema, table, column) => {
      const [one, other] = [parseScope(a), parseScope(b)];
      const lets = (text: string): boolean => {
        const compiled = compileScope(parseScope(text));
        return compiled(each, schema, table) || compiled.columns(each, schema, table)?.(column) === true;
      };
      if (lets(a) && lets(b)) assert.equal(scopesMeet(one, other), true);
      if (scopeWithin(one, other)) assert.equal(scopesMeet(one, other), true);
    }),
    { numRuns: 3000 },
  );
  const meet = (a: string, b: string) => scopesMeet(parseScope(a), parseScope(b));
  assert.equal(meet('select on *.*', 'all on hr.*'), true);
  assert.equal(meet('select on ledger.*', 'all on hr.*'), false);
  assert.equal(meet('select on a*b.x', 'select on ab*.x'), true);
  assert.equal(meet('select on a*b.x', 'select on b*.x'), false);
  assert.equal(meet('select (id) on hr.people', 'select (salary) on hr.*'), false);
  assert.equal(meet('listen on x', 'listen on y'), false);
});
