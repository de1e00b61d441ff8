import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Change, Named } from './named.ts';

describe('Named', () => {
  it('lets a reference of the same batch rely on a change that is not confirmed', () => {
    const names = new Named<string>();
    names.change('s', 'A', 1);
    assert.equal(names.resolve('s', 1), 'A');
    assert.equal(names.resolve('other', 1), undefined);
  });

  it('makes a reference of a later batch wait: whether the change happened is not known', () => {
    const names = new Named<string>();
    names.confirm(names.change('s', 'A', 1));
    const second = names.change('s', 'B', 2);
    assert.equal(names.resolve('s', 3), 'wait');
    names.drop(second);
    assert.equal(names.resolve('s', 3), 'A');
  });

  it('keeps the old meaning when the server refused the new one', () => {
    const names = new Named<string>();
    names.confirm(names.change('s', 'A', 1));
    names.drop(names.change('s', 'B', 2));
    assert.equal(names.resolve('s', 3), 'A');
  });

  it('treats a change of all names as a change of each', () => {
    const names = new Named<string>();
    names.confirm(names.change('s', 'A', 1));
    const all = names.change(null, null, 2);
    assert.equal(names.resolve('s', 2), undefined);
    assert.equal(names.resolve('s', 3), 'wait');
    names.confirm(all);
    assert.equal(names.resolve('s', 3), undefined);
  });

  it('means nothing after a change of which it is not known whether it happened', () => {
    const names = new Named<string>();
    names.confirm(names.change('s', 'A', 1));
    names.doubt(names.change('s', null, 2));
    assert.equal(names.resolve('s', 3), undefined);
  });

  it('never gives a meaning other than the one a server would have, whatever is confirmed or skipped', () => {
    // The model: a server that carries out a batch up to its first failure and skips the rest of it.
    const step = fc.record({
      name: fc.constantFrom('', 'a', 'b'),
      remove: fc.boolean(),
      fails: fc.boolean(),
      newBatch: fc.boolean(),
      answerFirst: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const names = new Named<string>();
        const server = new Map<string, string>();
        let owed: { change: Change<string>; ok: boolean }[] = [];
        const answer = (): void => {
          for (const { change, ok } of owed) {
            if (ok) names.confirm(change);
            else names.drop(change);
          }
          owed = [];
        };
        let batch = 0;
        let failed = false;
        steps.forEach((each, i) => {
          if (each.newBatch) {
            batch += 1;
            failed = false;
          }
          if (each.answerFirst) answer();
          const known = names.resolve(each.name, batch);
          // In a failed batch the server skips the reference: then it may mean anything.
          if (known !== 'wait' && !failed) assert.equal(known, server.get(each.name));
          const value = each.remove ? null : `v${i}`;
          const change = names.change(each.name, value, batch);
          failed ||= each.fails;
          if (!failed) {
            if (value === null) server.delete(each.name);
            else server.set(each.name, value);
          }
          owed.push({ change, ok: !failed });
        });
      }),
    );
  });
});
