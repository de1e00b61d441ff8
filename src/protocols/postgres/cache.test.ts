import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { StatementCache } from './cache.ts';
import { notExamined } from './examine-text.ts';
import { type Examined, examine, loadParser } from './parser.ts';

before(loadParser);

function examined(sql: string): Examined {
  const answer = examine(sql);
  assert.ok(!(answer instanceof Promise));
  return answer;
}

test('a text is found again, and so is another one of its shape, as the same value', () => {
  const cache = new StatementCache();
  const value = examined('select * from t where id = 1');
  assert.equal(cache.find('select * from t where id = 1'), undefined);
  cache.add('select * from t where id = 1', value);
  assert.equal(cache.find('select * from t where id = 1'), value);
  assert.equal(cache.find('select * from t where id = 2'), value);
  assert.equal(cache.find('select * from u where id = 1'), undefined);
  assert.equal(cache.find("select * from t where id = '1'"), undefined);
});

test('where a literal matters, only the very same text is found', () => {
  const cache = new StatementCache();
  const sql = "select set_config('app.a', 'x', false)";
  cache.add(sql, examined(sql));
  assert.notEqual(cache.find(sql), undefined);
  assert.equal(cache.find("select set_config('role', 'x', false)"), undefined);
});

test('a shape gives the same answer and the same fingerprint as the text itself', () => {
  const cache = new StatementCache();
  for (const sql of [
    "select lower('a') from hr.t where x in (1, 2)",
    'insert into t values (1.5, 2) returning *',
  ]) {
    cache.add(sql, examined(sql));
    const other = sql.replaceAll('1', '7').replaceAll("'a'", "'other'");
    assert.deepEqual(cache.find(other), examined(other));
  }
});

test('a refusal for size is not remembered, since it may be of the moment', () => {
  const cache = new StatementCache();
  cache.add('select 1', notExamined({ code: 'POSTERN_STATEMENT_TOO_LARGE', reason: 'busy' }));
  assert.equal(cache.find('select 1'), undefined);
  cache.add('selec 1', examined('selec 1'));
  assert.equal(cache.find('selec 1')?.classified.denied?.code, 'POSTERN_STATEMENT_INVALID');
});

test('it holds no more than its limits, and keeps what is in use', () => {
  const cache = new StatementCache({ entries: 100, bytes: 1 << 20 });
  const used = 'select 1 as used';
  cache.add(used, examined(used));
  for (let index = 0; index < 1000; index += 1) {
    const sql = `select a${index} from t`;
    cache.add(sql, examined(sql));
    assert.ok(cache.size <= 200);
    assert.notEqual(cache.find(used), undefined);
  }
  assert.equal(cache.find('select a0 from t'), undefined);
});

test('large texts count by their size, and one that is larger than the cache is not kept', () => {
  const cache = new StatementCache({ entries: 10_000, bytes: 100_000 });
  const value = examined('select 1');
  for (let index = 0; index < 50; index += 1) cache.add(`select a${index} ${' '.repeat(4000)}`, value);
  assert.ok(cache.size < 30);
  const huge = `select a, ${' '.repeat(60_000)} b`;
  cache.add(huge, value);
  assert.equal(cache.find(huge), undefined);
});
