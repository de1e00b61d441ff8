import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { PathWatch } from './path-watch.ts';
import { StatementCatalogue } from './statements.ts';

const catalogue = await StatementCatalogue.load();

function classified(sql: string) {
  const known = catalogue.get(Buffer.from(sql));
  if (known instanceof Promise) throw new Error('a small text takes no time');
  return known.classified;
}

/** A path watch with what it decided last and how often it asked. */
function watch(reported: boolean) {
  const decider = {
    pathKnown: true,
    path: 'before',
    pathChanged(setting: string): void {
      this.path = setting;
    },
  };
  const asked = { times: 0 };
  const path = new PathWatch(decider, reported, () => {
    asked.times += 1;
  });
  return { decider, asked, path };
}

describe('the search path that decisions use', () => {
  it('stays known through statements that cannot change it', () => {
    const { decider, asked, path } = watch(false);
    for (const sql of [
      'select 1',
      'begin',
      'commit',
      `set application_name = 'x'`,
      'insert into a.b values (1)',
    ]) {
      path.forwarded(classified(sql));
      path.ready('I', true);
      assert.ok(decider.pathKnown, sql);
    }
    assert.equal(asked.times, 0);
  });

  it('is unknown from the moment a change is on its way, until the server has told it', () => {
    for (const sql of [
      'set search_path = x',
      'set local search_path = x',
      'reset search_path',
      'reset all',
      'discard all',
      `select set_config('search_path', 'x', false)`,
      'select own.function()',
      'call own.procedure()',
    ]) {
      const { decider, path } = watch(true);
      path.forwarded(classified(sql));
      assert.ok(!decider.pathKnown, sql);
      path.ready('I', false);
      assert.ok(!decider.pathKnown, `${sql}: an answer to something earlier`);
      path.isNow('x');
      path.ready('I', true);
      assert.ok(decider.pathKnown, sql);
      assert.equal(decider.path, 'x');
    }
  });

  it('is unknown again when the transaction of a change ends, or a part of it is undone', () => {
    for (const end of ['commit', 'rollback', 'rollback to s', 'rollback and chain']) {
      const { decider, path } = watch(true);
      path.forwarded(classified('set local search_path = x'));
      path.ready('T', true);
      assert.ok(decider.pathKnown);
      path.forwarded(classified(end));
      assert.ok(!decider.pathKnown, end);
    }
  });

  it('asks a server that does not report it, once, when it has no other answer to give', () => {
    const { decider, asked, path } = watch(false);
    path.forwarded(classified('set search_path = x'));
    path.ready('I', false);
    assert.equal(asked.times, 0);
    path.ready('I', true);
    path.ready('I', true);
    assert.equal(asked.times, 1);
    assert.ok(!decider.pathKnown);
    path.isNow('x');
    path.answered();
    assert.ok(decider.pathKnown);
    path.ready('I', true);
    assert.equal(asked.times, 1);
  });

  it('asks again when the question was skipped or failed, and not inside a failed transaction', () => {
    const { decider, asked, path } = watch(false);
    path.forwarded(classified('set search_path = x'));
    path.ready('E', true);
    assert.equal(asked.times, 0);
    path.ready('I', true);
    path.unanswered();
    assert.ok(!decider.pathKnown);
    path.ready('I', true);
    assert.equal(asked.times, 2);
  });

  it('is never known while it is not what the server has, for any order of changes and answers', () => {
    const event = fc.constantFrom('set', 'begin', 'commit', 'rollback', 'select', 'ready');
    fc.assert(
      fc.property(fc.array(event, { maxLength: 30 }), (events) => {
        const { decider, path } = watch(true);
        // The server: its path, that of before the transaction, and what it has not told yet.
        let [now, before]: [string, string] = ['before', 'before'];
        let n = 0;
        let inside = false;
        let told = 'before';
        const pending: (() => void)[] = [];
        const answer = (): void => {
          pending.shift()?.();
          if (now !== told) path.isNow(now);
          told = now;
          path.ready(inside ? 'T' : 'I', pending.length === 0);
        };
        const send = (sql: string, effect: () => void): void => {
          path.forwarded(classified(sql));
          pending.push(effect);
        };
        for (const each of events) {
          if (each === 'ready') {
            if (pending.length > 0) answer();
          } else if (each === 'set') {
            const value = `x${n++}`;
            send(`set search_path = ${value}`, () => {
              now = value;
              if (!inside) before = value;
            });
          } else if (each === 'begin') {
            send('begin', () => {
              inside = true;
            });
          } else if (each === 'select') {
            send('select 1', () => undefined);
          } else {
            send(each, () => {
              if (each === 'commit') before = now;
              else if (inside) now = before;
              inside = false;
            });
          }
          if (decider.pathKnown) {
            const saved: readonly [string, string, boolean] = [now, before, inside];
            for (const effect of pending) effect();
            assert.equal(decider.path, now, 'what is decided now runs with this path');
            [now, before, inside] = saved;
          }
        }
      }),
    );
  });
});
