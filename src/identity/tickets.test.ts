import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Tickets } from './tickets.ts';

const OVER = { code: 'POSTERN_UNAUTHORIZED' };

test('a ticket is good for its purpose, once, until its time, here alone', (context) => {
  context.mock.timers.enable({ apis: ['Date'], now: 1_800_000_000_000 });
  const tickets = new Tickets();
  const ticket = tickets.issue('oidc', { secret: 'state' }, 60);
  assert.ok(!Buffer.from(ticket, 'base64url').includes('state'));
  assert.throws(() => tickets.spend('passkey', ticket), OVER, 'another purpose');
  assert.throws(() => new Tickets().read('oidc', ticket), OVER, 'another process');
  assert.deepEqual(tickets.read('oidc', ticket), { secret: 'state' });
  assert.deepEqual(tickets.spend('oidc', ticket), { secret: 'state' });
  assert.throws(() => tickets.spend('oidc', ticket), OVER, 'twice');
  const late = tickets.issue('oidc', {}, 60);
  context.mock.timers.tick(60_000);
  assert.throws(() => tickets.read('oidc', late), OVER, 'too late');
  assert.throws(() => tickets.spend('oidc', ticket), OVER, 'not again when it is forgotten');
});

test('no other text is a ticket, nor one that was changed anywhere', () => {
  const tickets = new Tickets();
  const bytes = Buffer.from(tickets.issue('cli', { n: 1 }, 60), 'base64url');
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] as number) ^ flip;
      assert.throws(() => tickets.read('cli', changed.toString('base64url')), OVER);
    }),
  );
  for (const text of ['', 'a', 'x'.repeat(10_000), bytes.subarray(0, 20).toString('base64url')]) {
    assert.throws(() => tickets.read('cli', text), OVER);
  }
});
