import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { LifeRecord } from '../activity/activity.ts';
import { answeredIn } from './answered.ts';

type Step = { readonly leaf: number; readonly owner: string; readonly backupOwner: string };

/** An index that has these steps of a life. */
function indexOf(steps: readonly Step[]) {
  const records = steps.map(({ leaf, owner, backupOwner }) => {
    const after = { owner: { id: owner }, backupOwner: { id: backupOwner } };
    return { leaf, change: { entity: 'principal', id: 'p', before: null, after } } as unknown as LifeRecord;
  });
  return {
    history: (_: string, after: number, limit: number) =>
      records.filter(({ leaf }) => leaf > after).slice(0, limit),
  };
}

test('who answered at any leaf of a range is found, as owner or backup, whoever came before and after', () => {
  const who = fc.constantFrom('a', 'b', 'c');
  const life = fc
    .uniqueArray(fc.record({ leaf: fc.nat(60), owner: who, backupOwner: who }), {
      selector: ({ leaf }) => leaf,
      maxLength: 12,
    })
    .map((steps) => steps.toSorted((a, b) => a.leaf - b.leaf));
  fc.assert(
    fc.property(life, fc.nat(60), fc.nat(20), who, (steps, from, more, person) => {
      const at = (leaf: number): boolean => {
        const step = steps.findLast((one) => one.leaf <= leaf);
        return step !== undefined && (step.owner === person || step.backupOwner === person);
      };
      const expected = Array.from({ length: more + 1 }, (_, n) => from + n).some(at);
      assert.equal(answeredIn(indexOf(steps), 'p', person, from, from + more), expected);
    }),
  );
});

test('a life of many steps is read page by page', () => {
  const steps = Array.from({ length: 1201 }, (_, leaf) => ({
    leaf,
    owner: leaf === 1100 ? 'a' : 'b',
    backupOwner: 'c',
  }));
  assert.equal(answeredIn(indexOf(steps), 'p', 'a', 1050, 1150), true);
  assert.equal(answeredIn(indexOf(steps), 'p', 'a', 1101, 1200), false);
});
