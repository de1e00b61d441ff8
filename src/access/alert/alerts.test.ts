import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { Finding } from '../../core/alert-finding.ts';
import { nowMicros, rfc3339 } from '../../core/time.ts';
import { recover } from '../../store/changes.ts';
import type { Alert } from '../../store/entities.ts';
import { Store } from '../../store/store.ts';
import { reviewBank } from '../review/review.fixture.ts';

const refused = (code: string, message?: RegExp) => (error: Error & { code?: string }) => {
  assert.equal(error.code, code, error.message);
  if (message) assert.match(error.message, message);
  return true;
};

async function bank(context: TestContext) {
  const test = await reviewBank(context);
  const { control } = test;
  const principal = await control.principals.get('batch');
  const resource = await control.resources.get('ledger-db');
  let leaf = 100;
  const finding = (more: Partial<Finding> = {}): Finding => {
    leaf += 1;
    return {
      ...{ leaf, time: nowMicros(), rule: 'first_object', parameters: { windowDays: 30 } },
      ...{ principal: { id: principal.id, name: 'batch' }, values: ['hr.salaries'], leaves: [leaf] },
      ...{ resource: { id: resource.id, name: 'ledger-db' }, count: 1 },
      ...more,
    };
  };
  const raise = async (more: Partial<Finding> = {}): Promise<Alert> => {
    await control.alerts.take([finding(more)]);
    return (await control.alerts.list({ status: 'open' })).at(-1) as Alert;
  };
  /** Of the alert, in the order of the log. */
  const history = (id: string) =>
    test.sink
      .changes()
      .filter(({ change }) => change.id === id)
      .map(({ type }) => type);
  return { ...test, principal, finding, raise, history };
}

describe('an alert', () => {
  it('is raised by Postern, names rule, parameters, principal, owner and leaves, and is joined by what follows', async (t) => {
    const { control, finding, sink, people } = await bank(t);
    const first = finding();
    await control.alerts.take([first]);
    await control.alerts.take([finding({ values: ['hr.people'] }), finding({ rule: 'denials', count: 12 })]);
    const [objects, denials] = await control.alerts.list({});
    assert.deepEqual(objects?.values, ['hr.salaries', 'hr.people']);
    assert.deepEqual(objects?.leaves, [first.leaf, first.leaf + 1]);
    assert.equal(objects?.count, 2);
    assert.equal(objects?.owner.name, people.olga.name);
    assert.deepEqual(objects?.parameters, { windowDays: 30 });
    assert.equal(denials?.count, 12);
    const records = sink.changes().filter(({ change }) => change.entity === 'alert');
    assert.deepEqual(
      records.map(({ type, actor, principal }) => [type, actor.kind, principal?.name]),
      [
        ['alert.raised', 'system', 'batch'],
        ['alert.repeated', 'system', 'batch'],
        ['alert.raised', 'system', 'batch'],
      ],
    );
  });

  it('is raised once, whoever brings again what was found', async (t) => {
    const { control, finding, sink } = await bank(t);
    const found = [finding(), finding({ rule: 'denials' })];
    await control.alerts.take(found);
    const before = sink.changes().length;
    await control.alerts.take(found);
    await control.alerts.take([...found, finding({ values: ['hr.people'] })]);
    assert.equal(sink.changes().length, before + 1);
    assert.equal((await control.alerts.list({})).length, 2);
  });

  it('is not lost and not doubled by a disk that was full', async (t) => {
    const { control, finding, sink } = await bank(t);
    const found = [finding(), finding({ rule: 'denials' })];
    sink.failing = true;
    await assert.rejects(control.alerts.take(found), refused('POSTERN_AUDIT_UNAVAILABLE'));
    sink.failing = false;
    assert.deepEqual(await control.alerts.list({}), []);
    await control.alerts.take(found);
    await control.alerts.take(found);
    assert.equal((await control.alerts.list({})).length, 2);
  });

  it('stays small, however much is found', async (t) => {
    const { control, finding } = await bank(t);
    for (let i = 0; i < 10; i++) {
      const values = Array.from({ length: 20 }, (_, n) => `t.${i}_${n}`);
      await control.alerts.take([finding({ values, leaves: values.map((_, n) => i * 20 + n), count: 20 })]);
    }
    const [alert] = await control.alerts.list({});
    assert.deepEqual([alert?.values.length, alert?.leaves.length, alert?.count], [50, 50, 200]);
  });

  it('that was closed is not opened again: what follows is a new one', async (t) => {
    const { control, raise, as, people } = await bank(t);
    const first = await raise();
    await control.alerts.dispose(as(people.rita), first.id, { kind: 'explained', reason: 'a release' });
    const second = await raise();
    assert.notEqual(second.id, first.id);
    assert.equal((await control.alerts.get(first.id)).status, 'closed');
  });

  it('comes out of its records, and applying old ones once more changes nothing', async (t) => {
    const { control, raise, as, people, sink } = await bank(t);
    const first = await raise();
    await control.alerts.acknowledge(as(people.olga), first.id, 'looking');
    await control.alerts.dispose(as(people.rita), first.id, { kind: 'explained', reason: 'a release' });
    await raise();
    const folded = Store.open(':memory:');
    try {
      await recover(folded, sink.changes());
      const rows = () => folded.db.selectFrom('alerts').selectAll().orderBy('id').execute();
      const once = await rows();
      assert.equal(once.length, 2);
      await recover(folded, sink.changes());
      assert.deepEqual(await rows(), once);
      for (const row of once) assert.deepEqual(JSON.parse(row.body), await control.alerts.get(row.id));
    } finally {
      await folded.close();
    }
  });
});

describe('who closes an alert', () => {
  it('is told in the record, with the reason: who acknowledged it and who explained it', async (t) => {
    const { control, raise, as, people, history } = await bank(t);
    const { id } = await raise();
    await control.alerts.acknowledge(as(people.dora), id, 'looking');
    await assert.rejects(
      control.alerts.acknowledge(as(people.rita), id, 'me too'),
      refused('POSTERN_CONFLICT'),
    );
    const done = await control.alerts.dispose(as(people.olga), id, {
      kind: 'explained',
      reason: 'the release of Monday',
    });
    assert.equal(done.acknowledged?.by.name, 'Dora');
    assert.equal(done.disposition?.by.name, 'Olga');
    assert.deepEqual(history(id), ['alert.raised', 'alert.acknowledged', 'alert.explained']);
    const again = control.alerts.dispose(as(people.rita), id, { kind: 'explained', reason: 'x' });
    await assert.rejects(again, refused('POSTERN_CONFLICT', /already, by Olga/));
  });

  it('is never one who could have caused it: who issued a credential that held then, or on whose behalf one was used', async (t) => {
    const { control, raise, as, people } = await bank(t);
    await control.credentials.issue(as(people.rita), { principal: 'batch' });
    const alert = await raise();
    for (const input of [
      { kind: 'explained', reason: 'x' },
      { kind: 'false_positive', reason: 'x' },
      { kind: 'revoked', what: 'grants', reason: 'x' },
    ] as const) {
      await assert.rejects(
        control.alerts.dispose(as(people.rita), alert.id, input),
        refused('POSTERN_FORBIDDEN', /could have used batch/),
      );
    }
    await control.alerts.dispose(as(people.rolf), alert.id, { kind: 'explained', reason: 'looked at it' });
  });

  it('is never a principal, and of a false positive no one who answers for it, or who is no reviewer', async (t) => {
    const { control, raise, as, people, principal } = await bank(t);
    const { id } = await raise();
    const itself = { kind: 'principal', id: principal.id, name: 'batch' } as const;
    const explained = { kind: 'explained', reason: 'x' } as const;
    await assert.rejects(control.alerts.dispose(itself, id, explained), refused('POSTERN_FORBIDDEN'));
    const dismissed = { kind: 'false_positive', reason: 'x' } as const;
    for (const person of [people.olga, people.dora]) {
      const attempt = control.alerts.dispose(as(person), id, dismissed);
      await assert.rejects(attempt, refused('POSTERN_FORBIDDEN', /answers for/));
    }
    const auditor = control.alerts.dispose(as(people.anna), id, dismissed);
    await assert.rejects(auditor, refused('POSTERN_FORBIDDEN', /no reviewer/));
    await control.alerts.dispose(as(people.max), id, dismissed);
  });

  it('at the same instant is the first of two; the second is refused', async (t) => {
    const { control, raise, as, people } = await bank(t);
    const { id } = await raise();
    const both = await Promise.allSettled(
      [people.rita, people.rolf].map((person) =>
        control.alerts.dispose(as(person), id, { kind: 'explained', reason: person.name }),
      ),
    );
    assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
    assert.equal((await control.alerts.get(id)).disposition?.by.name, 'Rita');
  });
});

describe('revoking', () => {
  it('ends the grants on the resource in the same change, or suspends the principal', async (t) => {
    const { control, raise, as, people, own, grant, sink } = await bank(t);
    const elsewhere = await grant('batch', 'hr-db');
    const first = await raise();
    const done = await control.alerts.dispose(as(people.rita), first.id, {
      ...{ kind: 'revoked', what: 'grants', reason: 'nobody knows why' },
    });
    assert.deepEqual(done.disposition?.grants, [own.batch.id]);
    assert.match((await control.grants.get(own.batch.id)).endReason ?? '', new RegExp(first.id));
    assert.equal((await control.grants.get(elsewhere.id)).status, 'active');
    const times = new Set(
      sink
        .changes()
        .slice(-2)
        .map(({ time, actor }) => `${time} ${actor.name}`),
    );
    assert.equal(times.size, 1, 'one change, by Rita');
    const second = await raise({ rule: 'cloned_key', resource: null });
    const closed = await control.alerts.dispose(as(people.rita), second.id, {
      ...{ kind: 'revoked', what: 'principal', reason: 'in two hands' },
    });
    assert.equal(closed.disposition?.suspended, true);
    assert.equal((await control.principals.get('batch')).status, 'suspended');
  });

  it('and the record of it come together or not at all', async (t) => {
    const { control, raise, as, people, own, sink } = await bank(t);
    const { id } = await raise();
    sink.failing = true;
    await assert.rejects(
      control.alerts.dispose(as(people.rita), id, { kind: 'revoked', what: 'grants', reason: 'x' }),
      refused('POSTERN_AUDIT_UNAVAILABLE'),
    );
    sink.failing = false;
    assert.equal((await control.alerts.get(id)).status, 'open');
    assert.equal((await control.grants.get(own.batch.id)).status, 'active');
  });
});

describe('the rules', () => {
  it('are in force from a record on, and each change of them is one, with before and after', async (t) => {
    const { control, actor, sink } = await bank(t);
    await control.alerts.begin();
    await control.alerts.begin();
    await control.alerts.set(actor, 'denials', { parameters: { count: 50 } }, 'a noisy job');
    await control.alerts.set(actor, 'first_hour', { enabled: false }, 'jobs on demand');
    const records = sink.changes().filter(({ change }) => change.entity === 'alert_rules');
    assert.deepEqual(
      records.map(({ type, actor: by, reason }) => [type, by.kind, reason]),
      [
        ['config.changed', 'system', 'alerts are raised from here on'],
        ['config.changed', 'person', 'a noisy job'],
        ['config.changed', 'person', 'jobs on demand'],
      ],
    );
    const { rules } = await control.alerts.rules();
    assert.deepEqual([rules.denials.parameters.count, rules.first_hour.enabled], [50, false]);
  });

  it('take no parameter that they do not have, none out of bounds, and some stay on', async (t) => {
    const { control, actor } = await bank(t);
    for (const parameters of [
      { count: 1 },
      { count: 1.5 },
      { count: Number.NaN },
      { days: 3 },
      { toString: 3 },
    ]) {
      await assert.rejects(
        control.alerts.set(actor, 'denials', { parameters: { ...parameters } as never }, 'x'),
        refused('POSTERN_INVALID'),
      );
    }
    for (const rule of ['cloned_key', 'flood'] as const) {
      await assert.rejects(
        control.alerts.set(actor, rule, { enabled: false }, 'x'),
        refused('POSTERN_INVALID'),
      );
    }
  });

  it('expect what an administrator says is to be expected, with the alert in the same change, until that is taken back', async (t) => {
    const { control, raise, as, people, actor, principal } = await bank(t);
    const alert = await raise({ rule: 'human_client', values: ['psql'] });
    const input = { kind: 'false_positive', expect: true, reason: 'it runs psql' } as const;
    await assert.rejects(
      control.alerts.dispose(as(people.rita), alert.id, input),
      refused('POSTERN_FORBIDDEN'),
    );
    await control.alerts.dispose(as(people.alan), alert.id, input);
    const expected = { rule: 'human_client', principal: principal.id, value: 'psql' };
    assert.deepEqual((await control.alerts.rules()).expected, [expected]);
    await control.alerts.forget(actor, 'human_client', expected, 'it does not any more');
    assert.deepEqual((await control.alerts.rules()).expected, []);
    await assert.rejects(
      control.alerts.forget(actor, 'human_client', expected, 'x'),
      refused('POSTERN_NOT_FOUND'),
    );
  });

  it('see times as they are in the log', async (t) => {
    const { raise } = await bank(t);
    const alert = await raise({ time: Date.UTC(2026, 0, 2) * 1000 });
    assert.equal(alert.firstAt, rfc3339(Date.UTC(2026, 0, 2) * 1000));
  });
});
