import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LargeTexts } from './large-texts.ts';
import { type Examined, examine, loadParser, MAX_INLINE_BYTES, MAX_STATEMENT_BYTES } from './parser.ts';

await loadParser();

const NESTED: readonly ((depth: number) => string)[] = [
  (n) => `select ${'('.repeat(n)}1${')'.repeat(n)}`,
  (n) => `select ${'not '.repeat(n)}true`,
  (n) => `select ${'- '.repeat(n)}a`,
  (n) => `select a${'+a'.repeat(n)}`,
  (n) => `select a${'::t'.repeat(n)}`,
  (n) => `select a${'[1]'.repeat(n)}`,
  (n) => `select a${' collate c'.repeat(n)}`,
  (n) => `select ${'(select '.repeat(n)}1${')'.repeat(n)}`,
  (n) => `select ${'array['.repeat(n)}1${']'.repeat(n)}`,
  (n) => `select ${'f('.repeat(n)}1${')'.repeat(n)}`,
  (n) => `select 1${' union select 1'.repeat(n)}`,
  (n) => `select * from a${' cross join a'.repeat(n)}`,
  (n) => `select ${'case when '.repeat(n)}1${' then 1 end'.repeat(n)}`,
  (n) => `${'with a as ('.repeat(n)}select 1${') select 1'.repeat(n)}`,
  (n) => '('.repeat(n),
  (n) => `select 1 where ${'a in (select 1 where '.repeat(n)}true${')'.repeat(n)}`,
];

/** The deepest text of the form that still fits. */
function fill(form: (depth: number) => string, bytes: number): string {
  let low = 1;
  let high = bytes;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (form(middle).length <= bytes) low = middle;
    else high = middle - 1;
  }
  return form(low);
}

async function stillWorks(): Promise<void> {
  const { classified } = await examine('select * from hr.t where a = 1');
  assert.deepEqual(classified.accesses, [{ verb: 'select', kind: 'relation', schema: 'hr', name: 't' }]);
}

function isAnswer({ classified }: Examined): void {
  const code = classified.denied?.code ?? null;
  assert.ok(
    [null, 'POSTERN_STATEMENT_TOO_LARGE', 'POSTERN_STATEMENT_INVALID', 'POSTERN_STATEMENT_UNSEEN'].includes(
      code,
    ),
    String(code),
  );
}

test('208 deeply nested small texts never break later parsing', async () => {
  for (let round = 0; round < 13; round += 1) {
    for (const form of NESTED) isAnswer(await examine(fill(form, MAX_INLINE_BYTES - round)));
    await stillWorks();
  }
});

test('deeply nested small texts are answered from a stack that is nearly used up, and break nothing', async () => {
  let answers = 0;
  const descend = (sql: string): void => {
    try {
      descend(sql);
    } catch (error) {
      // Each frame on the way back tries with a little more stack than the one below.
      if (!(error instanceof RangeError)) throw error;
      if (answers < 40) {
        const answer = examine(sql);
        answers += 1;
        if (!(answer instanceof Promise)) isAnswer(answer);
      }
      throw error;
    }
  };
  for (const form of NESTED) {
    answers = 0;
    assert.throws(() => descend(fill(form, MAX_INLINE_BYTES)), RangeError);
    await stillWorks();
  }
});

test('deeply nested large texts never break later parsing, small or large', async () => {
  for (const bytes of [20_000, 100_000, MAX_STATEMENT_BYTES]) {
    for (const form of NESTED) isAnswer(await examine(fill(form, bytes)));
    await stillWorks();
  }
  const large = `select * from hr.t where a in (${'1, '.repeat(20_000)} 1)`;
  assert.deepEqual((await examine(large)).classified.accesses, [
    { verb: 'select', kind: 'relation', schema: 'hr', name: 't' },
  ]);
});

test('a text above the limit is refused unread', () => {
  const answer = examine(`select '${'é'.repeat(MAX_STATEMENT_BYTES / 2)}'`);
  assert.ok(!(answer instanceof Promise));
  assert.equal(answer.classified.denied?.code, 'POSTERN_STATEMENT_TOO_LARGE');
});

test('size is counted in bytes, and just above the limit for small texts goes to the other thread', async () => {
  const small = `select '${'x'.repeat(MAX_INLINE_BYTES - 9)}'`;
  assert.equal(Buffer.byteLength(small), MAX_INLINE_BYTES);
  assert.ok(!(examine(small) instanceof Promise));
  const large = `select '${'é'.repeat(MAX_INLINE_BYTES / 2)}'`;
  const answer = examine(large);
  assert.ok(answer instanceof Promise);
  const { classified, fingerprint } = await answer;
  assert.equal(classified.denied, null);
  assert.match(fingerprint ?? '', /^[0-9a-f]{16}$/);
});

test('NUL and half a surrogate pair are refused, since PostgreSQL would see another text', () => {
  for (const sql of ['select 1\0; drop table t', '\0', "select '\ud800'", '\udc00']) {
    const answer = examine(sql);
    assert.ok(!(answer instanceof Promise));
    assert.equal(answer.classified.denied?.code, 'POSTERN_STATEMENT_INVALID');
  }
});

test('a syntax error gives PostgreSQL\u2019s own message and the position in characters', async () => {
  const { classified, fingerprint } = await examine("select 'é' frm t where");
  assert.deepEqual(classified.denied, {
    code: 'POSTERN_STATEMENT_INVALID',
    reason: 'syntax error at or near "t"',
    position: 16,
  });
  assert.equal(fingerprint, null);
});

test('statements that differ in literals only have one fingerprint', async () => {
  const one = await examine("select * from t where a = 1 and b = 'x'");
  const other = await examine("select * from t where a = 2 and b = 'y'");
  const third = await examine('select * from u where a = 1');
  assert.match(one.fingerprint ?? '', /^[0-9a-f]{16}$/);
  assert.equal(one.fingerprint, other.fingerprint);
  assert.notEqual(one.fingerprint, third.fingerprint);
});

test('arbitrary text is answered and never throws', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 80 }), async (sql) =>
      isAnswer(await examine(sql)),
    ),
    { numRuns: 2000 },
  );
});

test('many large texts at once are answered one by one, and a flood is refused', async () => {
  const large = `select * from t where a in (${'1, '.repeat(4_000)} 1)`;
  const answers = await Promise.all(Array.from({ length: 300 }, () => examine(large)));
  const refused = answers.filter((each) => each.classified.denied !== null);
  assert.equal(refused.length, 300 - 257);
  await stillWorks();
});

test('a text that takes too long is refused, and the next one is answered', async () => {
  const impatient = new LargeTexts(0);
  const large = `select ${'a + '.repeat(60_000)} a`;
  assert.equal((await impatient.examine(large)).classified.denied?.code, 'POSTERN_STATEMENT_TOO_LARGE');
  const patient = new LargeTexts();
  assert.equal((await patient.examine('select 1')).classified.denied, null);
});
