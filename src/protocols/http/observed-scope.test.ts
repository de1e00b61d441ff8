import assert from 'node:assert/strict';
import { test } from 'node:test';
import { observedScope, unusedRights } from './observed-scope.ts';
import { parseScope } from './scope-text.ts';
import { scopeWithin } from './scope-within.ts';

const seen = (verb: string, object: string, commands: number) => ({
  ...{ verbs: [verb], objects: [object], commands },
  text: () => Promise.resolve(null),
});

test('the smallest scope of what was requested has each path with its methods, and says what it could not tell', () => {
  const { scope, rights, commands, unresolved } = observedScope([
    seen('GET', '/v1/accounts/*', 10),
    seen('HEAD', '/v1/accounts/*', 2),
    seen('GET', '/v1/accounts/*', 5),
    seen('POST', '/v1/x,y', 1),
    seen('GET', `/${'a'.repeat(100)}/${'b'.repeat(190)}...`, 3),
  ]);
  assert.equal(scope, `GET on /${'a'.repeat(100)}/**; GET, HEAD on /v1/accounts/*; POST on /v1/x%2Cy`);
  assert.deepEqual(rights[0], { verb: 'GET', object: '/v1/accounts/*', commands: 15 });
  assert.deepEqual([commands, unresolved], [21, 3]);
});

test('of a granted scope that is unused under which nothing was requested', () => {
  const used = observedScope([seen('GET', '/v1/accounts/*', 1)]).rights;
  const within = (a: string, b: string): boolean => scopeWithin(parseScope(a), parseScope(b));
  assert.deepEqual(unusedRights(parseScope('GET, HEAD on /v1/**; DELETE on /v1/x'), used, within), [
    { verb: 'HEAD', object: '/v1/**' },
    { verb: 'DELETE', object: '/v1/x' },
  ]);
});
