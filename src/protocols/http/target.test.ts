import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { encodeSegment, readQuery, readTarget, routeOf, type Target } from './target.ts';

const read = (text: string): Target => {
  const target = readTarget(text);
  if ('refused' in target) throw new Error(`${text}: ${target.refused}`);
  return target;
};

describe('the target of a request', () => {
  it('has one form, whichever way a client encodes it', () => {
    assert.equal(read('/v1/%61ccounts/caf%c3%a9').path, '/v1/accounts/caf%C3%A9');
    assert.deepEqual(read('/v1/a%20b/').segments, ['v1', 'a b', '']);
    assert.equal(read('/').path, '/');
    assert.equal(read('/a?x=1&y=%2F').search, '?x=1&y=%2F');
  });

  it('may name its server, as a forward proxy is asked', () => {
    const target = read('http://Accounts.Bank.example:8080/v1?x=1');
    assert.deepEqual(target.origin, { scheme: 'http', authority: 'accounts.bank.example:8080' });
    assert.equal(target.path, '/v1');
    assert.equal(read('https://accounts.bank.example').path, '/');
  });

  it('is refused where two servers could read two paths in it', () => {
    for (const text of [
      '/v1/../admin',
      '/v1/./x',
      '/v1/%2e%2e/admin',
      '/v1/.%2E/admin',
      '/v1/%252e%252e/admin',
      '/v1/..%3bx/admin',
      '/v1/..;x=1/admin',
      '/v1/a;b',
      '//admin',
      '/v1//admin',
      '/v1/a%2fb',
      '/v1/a%2Fb',
      '/v1/a%5cb',
      '/v1/a\\b',
      '/v1/%00',
      '/v1/%0d%0aX: y',
      '/v1/%c0%ae%c0%ae/admin',
      '/v1/%ff',
      '/v1/%',
      '/v1/%4',
      '/v1/%zz',
      '/v1/a b',
      '/v1/a#b',
      '/v1/ä',
      '/v1/x\u0000',
      '/v1/%2e%2e%20/admin',
      'v1',
      '*',
      '',
      'http://user:pw@host/x',
      'ftp://host/x',
      'http:///x',
      'host:443',
      `/${'a'.repeat(8192)}`,
      `/${'a/'.repeat(200)}`,
    ]) {
      assert.ok('refused' in readTarget(text), text);
    }
  });

  it('reads no text twice: what it gives it gives again', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ minLength: 1, maxLength: 12 }), { maxLength: 6 }), (names) => {
        const target = readTarget(`/${names.map(encodeSegment).join('/')}`);
        if ('refused' in target) return;
        assert.deepEqual(target.segments, names.length === 0 ? [''] : names);
        assert.deepEqual(readTarget(target.path), { ...target, search: '' });
      }),
    );
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), (text) => {
        const target = readTarget(`/${text}`);
        if ('refused' in target) return;
        assert.ok(
          !target.segments.some((each) => each === '.' || each === '..' || /[\\/\p{Cc}]/u.test(each)),
        );
        const again = readTarget(target.path + target.search);
        assert.deepEqual(again, target);
      }),
    );
  });
});

describe('a query', () => {
  it('is read as forms are', () => {
    assert.deepEqual(readQuery('?a=1&b=x+y%26&c&=d'), [
      ['a', '1'],
      ['b', 'x y&'],
      ['c', ''],
      ['', 'd'],
    ]);
    assert.deepEqual(readQuery(''), []);
  });

  it('is not read where servers would disagree', () => {
    assert.equal(readQuery('?a=1;b=2'), null);
    assert.equal(readQuery('?a=%ff'), null);
    assert.equal(readQuery(`?${'a&'.repeat(300)}`), null);
  });
});

describe('the route of a path', () => {
  it('has * for what looks like an id', () => {
    const route = (path: string): string => routeOf(read(path));
    assert.equal(route('/v1/accounts/42/entries'), '/v1/accounts/*/entries');
    assert.equal(route('/v1/u/01a1ffcb-ab5a-7000-b40f-d7fb16035685'), '/v1/u/*');
    assert.equal(route('/v1/u/ada@bank.example'), '/v1/u/*');
    assert.equal(route('/v1/accounts/'), '/v1/accounts/');
    assert.equal(route('/v2/reports/quarterly'), '/v2/reports/quarterly');
  });
});
