import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GrantView } from '../core/views.ts';
import type { AccessAnswer } from '../protocols/contract.ts';
import { AccessAsks } from './access-asks.ts';

const ACCESS = { principal: 'p', resource: 'r', credential: 'c', source: '10.0.0.1', claims: null };
const PENDING: AccessAnswer = { outcome: 'pending', request: 'q', needs: ['1 of role:approver'] };

function asks(holdMs: number, answer: AccessAnswer = PENDING) {
  const grants: GrantView[] = [];
  const asked: string[] = [];
  const all: AccessAsks = new AccessAsks({ grantsOf: () => grants }, holdMs, (ask, { principal }) => {
    asked.push(principal);
    queueMicrotask(() => all.answered(ask, answer));
  });
  const give = (): void => {
    grants.push({ status: 'active', start: 0, end: Number.MAX_SAFE_INTEGER } as GrantView);
    all.changed();
  };
  return { all, asked, give };
}
const nobody = new AbortController().signal;

test('however many clients knock, the control process is asked once for them all', async () => {
  const { all, asked } = asks(0);
  const answers = await Promise.all(Array.from({ length: 500 }, () => all.ask(ACCESS, nobody)));
  assert.ok(answers.every((each) => each === PENDING));
  assert.deepEqual(asked, ['p']);
  await all.ask({ ...ACCESS, resource: 'other' }, nobody);
  assert.equal(asked.length, 2);
});

test('who is held comes in when the grant does, and no more than some are held at a time', async () => {
  const { all, give } = asks(60_000);
  const held = Array.from({ length: 40 }, () => all.ask(ACCESS, nobody));
  const full = await Promise.race(held);
  assert.equal(full, PENDING);
  give();
  const answers = await Promise.all(held);
  assert.equal(answers.filter(({ outcome }) => outcome === 'granted').length, 32);
  assert.equal(answers.filter(({ outcome }) => outcome === 'pending').length, 8);
});

test('who goes away is held no longer, and what is denied holds nobody', async () => {
  const { all } = asks(60_000);
  const gone = new AbortController();
  const held = all.ask(ACCESS, gone.signal);
  gone.abort();
  assert.equal(await held, PENDING);
  const denied: AccessAnswer = { outcome: 'denied', reason: 'no' };
  assert.equal(await asks(60_000, denied).all.ask(ACCESS, nobody), denied);
});
