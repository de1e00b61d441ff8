import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Expected, type ExpectedKind, Flow, type Portal, type Prepared } from './flow.ts';
import { Named } from './named.ts';
import { StatementCatalogue } from './statements.ts';

const catalogue = await StatementCatalogue.load();

function prepared(sql: string): Prepared {
  const text = Buffer.from(sql);
  const known = catalogue.get(text);
  if (known instanceof Promise) throw new Error('a small text takes no time');
  return { known, text, types: [], meant: new Map() };
}

function flow(): Flow {
  return new Flow(new Named<Prepared>(''), new Named<Portal>());
}

function push(to: Flow, kind: ExpectedKind): Expected {
  const expected = new Expected(kind);
  to.expected.push(expected);
  return expected;
}

const A = prepared('select 1');
const B = prepared('select 2');

describe('the flow of a session', () => {
  it('takes a name for what was confirmed, not for what was dropped', () => {
    const it = flow();
    const parse = push(it, 'parse');
    parse.statement = it.statements.change('s', A, 0);
    it.confirm(parse);
    const again = push(it, 'parse');
    again.statement = it.statements.change('s', B, 1);
    assert.equal(it.statements.resolve('s', 2), 'wait');
    it.drop(again);
    assert.equal(it.statements.resolve('s', 2), A);
  });

  it('knows that a single statement that failed changed no name', () => {
    const it = flow();
    it.statements.confirm(it.statements.change('s', A, 0));
    const query = push(it, 'query');
    query.single = true;
    query.statements = [it.statements.change('s', B, 1)];
    it.failed(query);
    assert.equal(it.statements.resolve('s', 2), A);
  });

  it('takes a name for nothing when a string of statements that changes it failed somewhere', () => {
    const it = flow();
    it.statements.confirm(it.statements.change('s', A, 0));
    it.statements.confirm(it.statements.change('other', A, 0));
    const query = push(it, 'query');
    query.statements = [it.statements.change('s', null, 1), it.statements.change('s', B, 1)];
    it.failed(query);
    assert.equal(it.statements.resolve('s', 2), undefined);
    assert.equal(it.statements.resolve('other', 2), A);
  });

  it('lets a simple query take the unnamed statement and portal away, whether it fails or not', () => {
    for (const fails of [true, false]) {
      const it = flow();
      const portal: Portal = {
        known: A.known,
        text: A.text,
        parameters: null,
        decided: null,
        meant: null,
        runs: null,
        bound: null,
        shape: null,
        cursor: false,
      };
      it.statements.confirm(it.statements.change('', A, 0));
      it.portals.confirm(it.portals.change('', portal, 0));
      const query = push(it, 'query');
      it.replacesUnnamed(query);
      if (fails) it.failed(query);
      else it.confirm(query);
      assert.equal(it.statements.resolve('', 1), undefined);
      assert.equal(it.portals.resolve('', 1), undefined);
    }
  });

  it('keeps the unnamed statement through DEALLOCATE ALL, as the server does', () => {
    const it = flow();
    it.statements.confirm(it.statements.change('', A, 0));
    it.statements.confirm(it.statements.change('s', A, 0));
    it.statements.confirm(it.statements.change(null, null, 1));
    assert.equal(it.statements.resolve('', 2), A);
    assert.equal(it.statements.resolve('s', 2), undefined);
  });

  it('tells data that were sent before they were asked for from data that are still to come', () => {
    const early = flow();
    const first = push(early, 'execute');
    first.copies = true;
    assert.ok(early.copyMayBegin);
    early.copyEnded();
    assert.ok(!early.copyMayBegin);
    early.copyBegins(first);
    assert.ok(!early.copyIn);
    const late = flow();
    const second = push(late, 'query');
    second.copies = true;
    late.copyBegins(second);
    assert.ok(late.copyIn && !late.copyMayBegin);
    late.copyEnded();
    assert.ok(!late.copyIn);
  });

  it('does not take the end of data that nobody asked for as that of a later COPY', () => {
    const it = flow();
    it.copyEnded();
    const copy = push(it, 'query');
    copy.copies = true;
    it.copyBegins(copy);
    assert.ok(it.copyIn);
  });

  it('wakes who waits for the queue to be empty, and not before', async () => {
    const it = flow();
    await it.drained();
    push(it, 'sync');
    push(it, 'sync');
    let empty = false;
    const drained = it.drained().then(() => {
      empty = true;
    });
    const moved = it.moved();
    it.expected.shift();
    it.settle();
    await moved;
    assert.ok(!empty);
    it.expected.shift();
    it.settle();
    await drained;
  });
});
