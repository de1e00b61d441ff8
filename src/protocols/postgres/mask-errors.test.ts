import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileMasks } from '../../masking/rules.ts';
import { maskMessage } from './mask-errors.ts';
import { Back, cstring, errorFields, message } from './wire.ts';

function error(fields: Readonly<Record<string, string>>): Buffer {
  const parts = Object.entries(fields).map(([code, value]) => cstring(code + value));
  return message(Back.errorResponse, ...parts, Buffer.alloc(1));
}

function shown(fields: Readonly<Record<string, string>>, sensitive = true): Record<string, string> {
  const bytes = error(fields);
  const masked = maskMessage(bytes, 0, bytes.length, sensitive, []) ?? bytes;
  return Object.fromEntries(errorFields(masked, 0, masked.length));
}

const WITHHELD = /withheld/;

test('a text that names things only is kept, its detail is not', () => {
  const fields = { S: 'ERROR', C: '23505', M: 'duplicate key value violates unique constraint "k"', n: 'k' };
  assert.deepEqual(shown({ ...fields, D: 'Key (email)=(zoe@hidden.example) already exists.' }), fields);
});

test('a text of a class that quotes values is withheld, code and place are not', () => {
  const seen = shown({
    ...{
      S: 'ERROR',
      C: '22P02',
      M: 'invalid input syntax for type integer: "zoe"',
      D: 'Token "zoe" is invalid.',
    },
    ...{ H: 'Not "zoe".', P: '8', R: 'pg_strtoint32_safe' },
  });
  assert.match(seen.M ?? '', WITHHELD);
  assert.deepEqual(seen, { S: 'ERROR', C: '22P02', M: seen.M, P: '8', R: 'pg_strtoint32_safe' });
});

test('what code inside the server says is withheld under any code: RAISE, a context, an inner query', () => {
  const fields = { S: 'ERROR', C: '42501', M: 'zoe@hidden.example', H: 'zoe@hidden.example' };
  for (const more of [
    { R: 'exec_stmt_raise' },
    { W: 'PL/pgSQL function f() line 1' },
    { q: "select 'zoe'", p: '1' },
  ]) {
    const seen = shown({ ...fields, ...more });
    assert.match(seen.M ?? '', WITHHELD);
    assert.ok(!JSON.stringify(seen).includes('zoe'), JSON.stringify(seen));
  }
});

test('classes that are not known to be harmless are withheld', () => {
  for (const code of ['22003', 'P0001', 'XX000', '38000', '99999', '', 'HV000']) {
    assert.match(shown({ S: 'ERROR', C: code, M: 'zoe' }).M ?? '', WITHHELD, code);
  }
});

test('where nothing sensitive was read, a message stays byte for byte', () => {
  const bytes = error({ S: 'ERROR', C: '22P02', M: 'invalid input syntax: "own"', W: 'somewhere' });
  assert.equal(maskMessage(bytes, 0, bytes.length, false, []), null);
});

test('detectors search every text of a message', () => {
  const rule = {
    ...{ id: 'r', name: 'r', revision: 1, resourceId: null, principalId: null, grantId: null },
    match: { columns: [], names: [], detectors: ['email' as const] },
    ...{ transform: { kind: 'null' as const }, probes: 'deny' as const, status: 'active' as const },
  };
  const { content } = compileMasks([rule], Buffer.alloc(32));
  const text = 'it was zoe@hidden.example';
  const bytes = error({ S: 'NOTICE', C: '00000', M: text, D: text, H: text, W: text });
  const masked = maskMessage(bytes, 0, bytes.length, false, content);
  assert.ok(masked !== null && !masked.includes('zoe'));
});
