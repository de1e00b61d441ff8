import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { Finding } from '../core/alert-finding.ts';
import { nowMicros } from '../core/time.ts';
import type { PublishedLog } from '../ledger/published-log.ts';
import type { Role } from '../store/entities.ts';
import { itemsOf, testApi } from './api.fixture.ts';

async function bank(context: TestContext) {
  // The log of these tests has no leaves; test/alerts.test.ts has one.
  const log = { leaves: () => [].values() } as unknown as PublishedLog;
  const api = await testApi(context, { log });
  const { control, actor } = api;
  const person = async (name: string, ...roles: Role[]): Promise<string> => {
    const made = await control.persons.create(actor, { name, email: `${name}@example.org`, roles });
    return (await control.tokens.issue(actor, made.id)).token;
  };
  const tokens = {
    olga: await person('olga', 'owner'),
    otto: await person('otto', 'owner'),
    rita: await person('rita', 'reviewer'),
  };
  const principal = (name: string, owner: string) =>
    control.principals.create(actor, {
      ...{ name, kind: 'workload', owner, backupOwner: 'bea@example.org', purpose: 'x', environment: 'test' },
    });
  const batch = await principal('batch', 'olga@example.org');
  const other = await principal('other', 'otto@example.org');
  let leaf = 0;
  const raise = async (more: Partial<Finding> = {}): Promise<string> => {
    leaf += 1;
    const found: Finding = {
      ...{ leaf, time: nowMicros(), rule: 'first_object', parameters: { windowDays: 30 } },
      ...{
        principal: { id: batch.id, name: 'batch' },
        resource: null,
        values: ['hr.people'],
        leaves: [leaf],
      },
      ...{ count: 1, ...more },
    };
    const [alert] = await control.alerts.take([found]);
    assert.ok(alert);
    return alert.id;
  };
  const ofOther = { principal: { id: other.id, name: 'other' } };
  return { ...api, tokens, raise, ofOther };
}

describe('alerts in the API', () => {
  it('are listed page by page, by status, rule, principal and owner; an owner sees their own', async (t) => {
    const { call, raise, tokens, ofOther } = await bank(t);
    await raise();
    await raise({ rule: 'denials' });
    await raise({ rule: 'denials', ...ofOther });
    const names = async (query: string, token = tokens.rita) =>
      itemsOf(await call('GET', `/v1/alerts${query}`, undefined, token)).map(
        ({ principal, rule }) => `${principal?.name} ${rule}`,
      );
    assert.deepEqual(await names(''), ['batch first_object', 'batch denials', 'other denials']);
    assert.deepEqual(await names('?rule=denials&principal=batch'), ['batch denials']);
    assert.deepEqual(await names('?owner=otto@example.org'), ['other denials']);
    assert.deepEqual(await names('?status=closed'), []);
    assert.deepEqual(await names('', tokens.otto), ['other denials']);
    assert.deepEqual(await names('?owner=olga@example.org', tokens.otto), ['other denials']);
    const first = await call('GET', '/v1/alerts?limit=2', undefined, tokens.rita);
    const rest = await names(`?limit=2&cursor=${first.body.next}`);
    assert.deepEqual(rest, ['other denials']);
    assert.equal((await call('GET', '/v1/alerts?rule=none', undefined, tokens.rita)).status, 400);
  });

  it('are shown and closed by who answers for the principal or reviews, and of others by nobody else', async (t) => {
    const { call, raise, tokens } = await bank(t);
    const id = await raise();
    const said = { kind: 'explained', reason: 'release 4.2' };
    assert.equal((await call('GET', `/v1/alerts/${id}`, undefined, tokens.otto)).status, 403);
    assert.equal((await call('POST', `/v1/alerts/${id}/dispose`, said, tokens.otto)).status, 403);
    const shown = await call('GET', `/v1/alerts/${id}`, undefined, tokens.olga);
    assert.equal(shown.body.refusal, null);
    assert.match(String(shown.body.alert?.text), /used objects for the first time: hr\.people/);
    const done = await call('POST', `/v1/alerts/${id}/dispose`, said, tokens.olga);
    assert.equal(done.body.disposition?.kind, 'explained');
    assert.equal((await call('POST', `/v1/alerts/${id}/dispose`, said, tokens.rita)).status, 409);
    const principal = await call('GET', '/v1/principals/batch', undefined, tokens.olga);
    assert.equal(principal.body.alerts, 0);
  });

  it('are disposed in bulk, each by itself: one that cannot be keeps no other', async (t) => {
    const { call, raise, tokens, ofOther } = await bank(t);
    const [own, foreign] = [await raise(), await raise(ofOther)];
    const never = '018f0000-0000-7000-8000-000000000000';
    const dispositions = [own, foreign, never].map((alert) => ({ alert, kind: 'acknowledged', reason: 'x' }));
    const done = await call('POST', '/v1/alerts/dispose', { dispositions }, tokens.olga);
    assert.deepEqual(
      itemsOf(done).map((each) => each.done?.status ?? each.error?.code),
      ['acknowledged', 'POSTERN_FORBIDDEN', 'POSTERN_NOT_FOUND'],
    );
  });

  it('take no disposition that says two things, nor one without a reason', async (t) => {
    const { call, raise, tokens } = await bank(t);
    const id = await raise();
    for (const body of [
      { kind: 'explained' },
      { kind: 'explained', reason: ' ' },
      { kind: 'explained', reason: 'x', what: 'grants' },
      { kind: 'revoked', reason: 'x' },
      { kind: 'acknowledged', reason: 'x', expect: true },
      { kind: 'acknowledged', reason: 'x', what: 'principal' },
      { kind: 'explained', reason: 'x', expect: true },
      { kind: 'closed', reason: 'x' },
      { kind: 'explained', reason: 'x', by: 'rita' },
    ]) {
      const answer = await call('POST', `/v1/alerts/${id}/dispose`, body, tokens.rita);
      assert.ok([400, 401].includes(answer.status), `${JSON.stringify(body)}: ${answer.text}`);
    }
    assert.equal((await call('GET', `/v1/alerts/${id}`, undefined, tokens.rita)).body.alert?.status, 'open');
  });

  it('have rules that an administrator sets, who has shown lately who they are; what is unknown is refused', async (t) => {
    const { call, tokens } = await bank(t);
    const body = { parameters: { count: 50 }, reason: 'noisy' };
    assert.equal((await call('POST', '/v1/alert-rules/denials', body, tokens.rita)).status, 403);
    const set = await call('POST', '/v1/alert-rules/denials', body);
    assert.equal(set.body.rules?.denials?.parameters?.count, 50);
    for (const rule of ['none', '__proto__', 'constructor']) {
      assert.equal((await call('POST', `/v1/alert-rules/${rule}`, body)).status, 400, rule);
    }
    const wrong = { parameters: { __proto__: 1, constructor: 2 }, reason: 'x' };
    assert.equal((await call('POST', '/v1/alert-rules/denials', wrong)).status, 400);
  });
});
