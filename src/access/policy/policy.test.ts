import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { PosternError } from '../../core/errors.ts';
import { scopeRelations, validateScope } from '../scopes.ts';
import { type ApprovalContext, mayApproveAs, missingApprovals } from './approvals.ts';
import { type Approval, readPolicy } from './document.ts';
import { type AccessQuestion, evaluate } from './evaluate.ts';

const read = (text: string) => readPolicy(text, 'policy.yaml', (scope) => validateScope('postgres', scope));
const HEAD = 'apiVersion: postern/v1\nkind: AccessPolicy\nmetadata: { name: policy }\nspec:\n';
const textOf = (spec: string): string => `${HEAD}${spec.replaceAll(/^(?=.)/gm, '  ')}`;
const POLICY = textOf(`rules:
  - name: no-third-party-on-restricted
    who: { sponsored: true }
    what: { classifications: [restricted] }
    deny: Third parties do not reach restricted data.
  - name: nobody-reads-salaries
    what: { scope: 'all on hr.salaries' }
    deny: Salaries are read in the HR system alone.
  - name: nightly
    who: { principals: [nightly-*], kinds: [service_account], tags: { team: ledger } }
    what: { resources: [ledger-db], scope: 'insert, select on ledger.*', longest: 8h }
    when: { sameEnvironment: true, hours: ['mon-fri 18:00-06:00 UTC'], ticket: 'CHG-*' }
    grant: { noDdl: true }
    approve: at once
  - name: ledger-by-the-owners
    what: { resources: [ledger-*], longest: 30d }
    approve:
      - from: [owner]
      - count: 2
        from: ['role:approver', 'group:dba']
  - name: break-glass
    what: { longest: 1h }
    emergency: { reviewWithin: 1d }
    when: { justification: true }
    approve: at once
`);

const QUESTION: AccessQuestion = {
  principal: {
    name: 'nightly-batch',
    kind: 'service_account',
    environment: 'production',
    tags: { team: 'ledger' },
    sponsor: null,
  },
  claims: {},
  resource: {
    name: 'ledger-db',
    protocol: 'postgres',
    environment: 'production',
    classification: 'confidential',
  },
  scope: 'select on ledger.entries',
  seconds: 3600,
  nowMs: Date.parse('2026-11-23T20:00:00Z'),
  source: null,
  ticket: 'CHG-1042',
  justification: null,
  emergency: false,
};
const ask = (change: Partial<AccessQuestion>) =>
  evaluate(read(POLICY), { ...QUESTION, ...change }, scopeRelations);

describe('a policy', () => {
  test('the first rule that fits decides', () => {
    const verdict = ask({});
    assert.equal(verdict.effect === 'allow' && verdict.rule.name, 'nightly');
    const longer = ask({ seconds: 9 * 3600 });
    assert.equal(longer.effect === 'allow' && longer.rule.name, 'ledger-by-the-owners');
  });

  test('where no rule fits the answer is no, and says what came near', () => {
    const verdict = ask({ resource: { ...QUESTION.resource, name: 'crm' } });
    assert.equal(verdict.effect, 'deny');
    assert.deepEqual(verdict.effect === 'deny' && verdict.nearly, [
      { rule: 'break-glass', lacking: ['a justification', 'that it is an emergency'] },
    ]);
    assert.equal(evaluate({ rules: [] }, QUESTION, scopeRelations).effect, 'deny');
  });

  test('a denial holds for whatever reaches into its scope, in an emergency too', () => {
    for (const scope of ['select on hr.salaries', 'select on *.*', 'update (amount) on hr.sal*']) {
      const verdict = ask({ scope, emergency: true, justification: 'x' });
      assert.deepEqual(verdict.effect === 'deny' && verdict.rule, 'nobody-reads-salaries', scope);
    }
    const sponsored = { ...QUESTION.principal, sponsor: 'ACME' };
    const verdict = ask({
      principal: sponsored,
      resource: { ...QUESTION.resource, classification: 'restricted' },
    });
    assert.equal(verdict.effect === 'deny' && verdict.reason, 'Third parties do not reach restricted data.');
  });

  test('each demand of a rule is held to', () => {
    const allowed = (change: Partial<AccessQuestion>) => {
      const verdict = ask(change);
      return verdict.effect === 'allow' ? verdict.rule.name : null;
    };
    assert.equal(allowed({ scope: 'select on ledger.*' }), 'nightly');
    for (const change of [
      { scope: 'delete on ledger.entries' },
      { ticket: null },
      { ticket: 'INC-1' },
      { nowMs: Date.parse('2026-11-23T12:00:00Z') },
      { principal: { ...QUESTION.principal, tags: {} } },
      { principal: { ...QUESTION.principal, kind: 'agent' as const } },
      { principal: { ...QUESTION.principal, environment: 'test' } },
      { principal: { ...QUESTION.principal, name: 'x-nightly-batch' } },
    ]) {
      assert.equal(allowed(change), 'ledger-by-the-owners', JSON.stringify(change));
    }
    const other = { resource: { ...QUESTION.resource, name: 'crm' } };
    assert.equal(allowed({ ...other, emergency: true, justification: 'all is down' }), 'break-glass');
    assert.equal(allowed({ ...other, emergency: true }), null);
  });

  test('a claim is what the token said, not what an object inherits', () => {
    const policy = read(
      textOf(`rules:\n  - { name: ci, who: { claims: { repository_id: '42' } }, approve: at once }\n`),
    );
    const verdict = (claims: Record<string, string>) =>
      evaluate(policy, { ...QUESTION, claims }, scopeRelations).effect;
    assert.equal(verdict({ repository_id: '42' }), 'allow');
    assert.equal(verdict({ repository_id: '43' }), 'deny');
    assert.equal(verdict({}), 'deny');
  });

  test('what is wrong is said with its line and the reason, all of it at once', () => {
    const text = textOf(`rules:
  - name: a
    what: { scope: 'selekt on x.y', longest: 3 fortnights }
    approve: at once
  - name: a
    when: { hours: [noon] }
    approve: [ { from: [boss] } ]
  - name: b
    approve: at once
    deny: no
cases:
  - name: c
    ask: { principal: { name: p }, resource: { name: r }, scope: 'select on a.b', for: 1h }
    expect: { decision: denied, rule: nowhere }
`);
    assert.throws(
      () => read(text),
      (error: unknown) => {
        assert.ok(error instanceof PosternError);
        for (const part of [
          'policy.yaml:7: spec/rules/0/what/scope: scope, position 1: "selekt" is not a verb',
          'policy.yaml:7: spec/rules/0/what/longest: "3 fortnights" is not a duration',
          'policy.yaml:9: spec/rules/1/name: another rule has this name',
          'policy.yaml:10: spec/rules/1/when: "noon" is not a span of hours',
          'policy.yaml:11: spec/rules/1/approve/0/from/0: "boss" names nobody',
          'policy.yaml:12: spec/rules/2: a rule either denies or says how it is approved',
          'policy.yaml:18: spec/cases/0/expect/rule: there is no rule of this name',
        ]) {
          assert.ok(error.message.includes(part), `${part}\nnot in\n${error.message}`);
        }
        return true;
      },
    );
    assert.throws(
      () => read(textOf(`rules:\n  - name: a\n    aprove: at once\n`)),
      /policy.yaml:6: spec\/rules\/0: .*aprove/,
    );
    for (const part of [
      'what: { longest: 1h }',
      "when: { ticket: 'X-*' }",
      'when: { sources: [10.0.0.0/8] }',
    ]) {
      const denial = textOf(`rules:\n  - { name: a, ${part}, deny: no }\n`);
      assert.throws(() => read(denial), /a rule that denies has no longest/, part);
    }
    assert.throws(() => read(textOf(`rules: []\nrules: []\n`)), /policy.yaml:6: .*unique/);
  });

  test('text that could blow up, or means more than it says, is refused', () => {
    const bomb = textOf(`x: &a [1,1]\ny: &b [*a,*a]\nrules: []\n`);
    assert.throws(() => read(bomb), PosternError);
    assert.throws(() => read(textOf(`rules: !!js/function 'x'\n`)), PosternError);
    assert.throws(() => read('x'.repeat(2_000_000)), /longer than/);
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (text) => {
        try {
          read(text);
        } catch (error) {
          assert.ok(error instanceof PosternError, String(error));
        }
      }),
    );
  });
});

const person = (id: string, roles: readonly string[] = ['approver']) =>
  ({ id, email: `${id}@bank.example`, roles, status: 'active' }) as never;
const CONTEXT: ApprovalContext = {
  owners: {
    owner: { id: 'olga', name: 'Olga', email: '' },
    backupOwner: { id: 'ben', name: 'Ben', email: '' },
  },
  resourceOwner: 'rita',
  requesters: ['quinn'],
  members: (group) => new Set(group === 'dba' ? ['dana', 'anna', 'olga'] : []),
};
const TWO: Approval[] = [
  { count: 1, from: [{ kind: 'group', name: 'dba' }] },
  { count: 1, from: [{ kind: 'role', role: 'approver' }] },
];

describe('approvals', () => {
  test('one person does not count twice, however many hats they wear', () => {
    assert.deepEqual(
      missingApprovals(TWO, [person('anna')], CONTEXT).map(({ count }) => count),
      [1],
    );
    assert.deepEqual(missingApprovals(TWO, [person('anna'), person('anna')], CONTEXT).length, 1);
    assert.deepEqual(missingApprovals(TWO, [person('anna'), person('max')], CONTEXT), []);
  });

  test('it does not matter in which order they agree: who fits both makes room', () => {
    assert.deepEqual(missingApprovals(TWO, [person('anna'), person('dana', [])], CONTEXT), []);
    assert.deepEqual(missingApprovals(TWO, [person('dana', []), person('anna')], CONTEXT), []);
  });

  test('the requester never approves, nor does an owner but as the owner, nor who was disabled', () => {
    const role = { kind: 'role', role: 'approver' } as const;
    assert.equal(mayApproveAs(person('quinn'), role, CONTEXT), false);
    assert.equal(mayApproveAs(person('olga'), role, CONTEXT), false);
    assert.equal(mayApproveAs(person('ben'), { kind: 'group', name: 'dba' }, CONTEXT), false);
    assert.equal(mayApproveAs(person('olga'), { kind: 'owner' }, CONTEXT), true);
    assert.equal(
      mayApproveAs(person('olga'), { kind: 'owner' }, { ...CONTEXT, requesters: ['olga'] }),
      false,
    );
    const disabled = { ...(person('anna') as object), status: 'disabled' } as never;
    assert.equal(mayApproveAs(disabled, role, CONTEXT), false);
    assert.equal(mayApproveAs(person('rita', []), { kind: 'resource-owner' }, CONTEXT), true);
    assert.equal(mayApproveAs(person('zoe', ['admin']), role, CONTEXT), false);
  });

  test('all demands are met exactly when some way of seating the people fills every seat', () => {
    const people = ['a', 'b', 'c', 'd'];
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.integer({ min: 1, max: 2 }),
            fc.uniqueArray(fc.constantFrom(...people), { minLength: 1 }),
          ),
          {
            minLength: 1,
            maxLength: 3,
          },
        ),
        fc.uniqueArray(fc.constantFrom(...people)),
        (demands, present) => {
          const approvals = demands.map(([count, names]) => ({
            count,
            from: names.map((name) => ({ kind: 'person', name: `${name}@bank.example` }) as const),
          }));
          const seats = demands.flatMap(([count, names]) => Array.from({ length: count }, () => names));
          const seatable = (at: number, left: readonly string[]): boolean =>
            at === seats.length ||
            left.some(
              (name) =>
                seats[at]?.includes(name) &&
                seatable(
                  at + 1,
                  left.filter((each) => each !== name),
                ),
            );
          const missing = missingApprovals(
            approvals,
            present.map((name) => person(name)),
            CONTEXT,
          );
          assert.equal(missing.length === 0, seatable(0, present));
        },
      ),
    );
  });
});
