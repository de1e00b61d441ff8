import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NewSession } from '../identity/sessions.ts';
import { type TestControl, testControl } from './control.fixture.ts';

const REFUSED = { code: 'POSTERN_UNAUTHORIZED' };
const login = (t: TestControl, over: Partial<NewSession> = {}): NewSession => ({
  person: t.admin.id,
  kind: 'cli',
  method: 'passkey',
  provider: null,
  authenticatedAt: Date.now(),
  source: '192.0.2.1',
  ...over,
});
const records = (t: TestControl, type: string) =>
  t.sink.written.map((json) => JSON.parse(json)).filter((record) => record.type === type);

test('a session is recorded when it begins and when it ends, and its token is in no record', async (context) => {
  const t = await testControl(context);
  const { token, session } = await t.control.sessions.open(login(t));
  const caller = await t.control.sessions.authenticate(token, 'cli');
  assert.equal(caller.person.id, t.admin.id);
  await t.control.sessions.logout(session, t.admin);
  await assert.rejects(t.control.sessions.authenticate(token, 'cli'), REFUSED);
  assert.deepEqual(
    ['person.login', 'person.logout'].map((type) => records(t, type).map(({ login: l }) => l.session)),
    [[session.id], [session.id]],
  );
  assert.ok(!t.sink.written.join().includes(token.slice(4)));
});

test('no session begins where its record cannot be written', async (context) => {
  const t = await testControl(context);
  t.sink.failing = true;
  await assert.rejects(t.control.sessions.open(login(t)), { code: 'POSTERN_AUDIT_UNAVAILABLE' });
  t.sink.failing = false;
  assert.deepEqual(await t.control.sessions.list(), []);
});

test('a session is over after its idle time, after its absolute time, and then recorded', async (context) => {
  const t = await testControl(context);
  context.mock.timers.enable({ apis: ['Date'], now: Date.now() });
  await t.control.signIn.set(t.actor, { cli: { idleSeconds: 600, absoluteSeconds: 1000 } }, 'test');
  const { token } = await t.control.sessions.open(login(t));
  const used = await t.control.sessions.open(login(t));
  const after = (seconds: number): void => context.mock.timers.tick(seconds * 1000);
  after(500);
  await t.control.sessions.authenticate(used.token, 'cli');
  after(101);
  await assert.rejects(t.control.sessions.authenticate(token, 'cli'), REFUSED);
  assert.equal(await t.control.sessions.expire(), 1);
  await t.control.sessions.authenticate(used.token, 'cli');
  after(400);
  await assert.rejects(t.control.sessions.authenticate(used.token, 'cli'), REFUSED);
  assert.equal(await t.control.sessions.expire(), 1);
  assert.deepEqual(
    records(t, 'person.session_ended')
      .map(({ reason }) => reason)
      .sort(),
    ['its time is over', 'not used'],
  );
});

test("a browser's token is no token for the command line, nor the other way round, and neither is an API token", async (context) => {
  const t = await testControl(context);
  const browser = await t.control.sessions.open(login(t, { kind: 'browser' }));
  const cli = await t.control.sessions.open(login(t));
  const swapped = `psc_${browser.token.slice(4)}`;
  for (const token of [
    browser.token,
    swapped,
    t.token,
    '',
    'psc_',
    `${cli.token}x`,
    cli.token.toUpperCase(),
  ]) {
    await assert.rejects(t.control.sessions.authenticate(token, 'cli'), REFUSED, token.slice(0, 6));
  }
  await assert.rejects(t.control.sessions.authenticate(cli.token, 'browser'), REFUSED);
  await assert.rejects(t.control.tokens.authenticate(cli.token), REFUSED);
});

test('sessions, tokens and invitations of a disabled person stop at once and do not come back with them', async (context) => {
  const t = await testControl(context);
  const ed = await t.control.persons.create(t.actor, {
    name: 'Ed',
    email: 'ed@example.org',
    roles: ['reviewer'],
  });
  const { token } = await t.control.sessions.open(login(t, { person: ed.id }));
  const api = await t.control.tokens.issue(t.actor, ed.id);
  await t.control.persons.disable(t.actor, ed.id, 'left');
  await assert.rejects(t.control.sessions.authenticate(token, 'cli'), REFUSED);
  await assert.rejects(t.control.sessions.open(login(t, { person: ed.id })), REFUSED);
  await t.control.persons.enable(t.actor, ed.id, 'back');
  await assert.rejects(t.control.sessions.authenticate(token, 'cli'), REFUSED);
  await assert.rejects(t.control.tokens.authenticate(api.token), REFUSED);
});

test('somebody else ends a session only where it is said to be anybody’s', async (context) => {
  const t = await testControl(context);
  const { session } = await t.control.sessions.open(login(t));
  await assert.rejects(t.control.sessions.end(t.actor, session.id, 'why', 'another'), {
    code: 'POSTERN_NOT_FOUND',
  });
  await t.control.sessions.end(t.actor, session.id, 'lost laptop', null);
  const [record] = records(t, 'person.session_ended');
  assert.deepEqual(
    [record.actor.name, record.person.name, record.reason],
    ['Ada Admin', 'Ada Admin', 'lost laptop'],
  );
});

test('a session that goes on from another one lives no longer than that would have', async (context) => {
  const t = await testControl(context);
  const begunAt = Date.now() - 11 * 3_600_000;
  const { session } = await t.control.sessions.open(login(t, { begunAt }));
  assert.ok(Date.parse(session.expiresAt) <= begunAt + 12 * 3_600_000 + 1);
  await assert.rejects(t.control.sessions.open(login(t, { begunAt: Date.now() - 13 * 3_600_000 })), REFUSED);
});

test('a person has at most fifty sessions: the oldest gives way', async (context) => {
  const t = await testControl(context);
  const first = await t.control.sessions.open(login(t));
  for (let i = 0; i < 50; i++) await t.control.sessions.open(login(t));
  assert.equal((await t.control.sessions.list(t.admin.id)).length, 50);
  await assert.rejects(t.control.sessions.authenticate(first.token, 'cli'), REFUSED);
});

test('sensitive acts are open for as long as the settings say, not for a recovery code, nor where nobody knows when', async (context) => {
  const t = await testControl(context);
  context.mock.timers.enable({ apis: ['Date'], now: Date.now() });
  const freshUntil = async (over: Partial<NewSession>): Promise<number | null> => {
    const { token } = await t.control.sessions.open(login(t, over));
    return (await t.control.sessions.authenticate(token, 'cli')).freshUntil;
  };
  assert.equal(await freshUntil({ authenticatedAt: Date.now() }), Date.now() + 300_000);
  assert.equal(
    await freshUntil({ authenticatedAt: Date.now() + 9e9 }),
    Date.now() + 300_000,
    'a clock ahead',
  );
  assert.equal(await freshUntil({ authenticatedAt: null }), null);
  assert.equal(await freshUntil({ method: 'recovery_code' }), null);
});
