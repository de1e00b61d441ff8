import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { KEY, ruleView } from '../../masking/plan.fixture.ts';
import { compileMasks, type MaskPlan } from '../../masking/rules.ts';
import { type AnswerMask, answerMask, maskRefusal, type Refusal } from './mask.ts';
import { unencodedRequest } from './mask-headers.ts';
import { Unmaskable } from './mask-values.ts';

const SECRET = '4111111111111111';
const LIMIT = 100_000;
const JSON_TYPE = ['content-type', 'application/json'] as const;

const names = compileMasks([ruleView({ names: ['card_number'] })], KEY);
const searches = compileMasks([ruleView({ detectors: ['card', 'private_key'] })], KEY);
const both = compileMasks([ruleView({ names: ['card_number'], detectors: ['card', 'private_key'] })], KEY);

type Pairs = readonly (readonly [string, string])[];

const answer = (plan: MaskPlan, headers: Pairs, status = 200, method = 'GET'): AnswerMask | Refusal | null =>
  answerMask(plan, { method, status, headers }, LIMIT);

function open(plan: MaskPlan, headers: Pairs): AnswerMask {
  const mask = answer(plan, headers);
  assert.ok(mask !== null && !('refused' in mask), JSON.stringify(mask));
  return mask;
}

async function through(plan: MaskPlan, headers: Pairs, body: Buffer | string, piece = 7): Promise<string> {
  const { body: way } = open(plan, headers);
  assert.ok(way !== null);
  const out: Buffer[] = [];
  way.output.on('data', (chunk: Buffer) => out.push(chunk));
  const bytes = Buffer.from(body);
  const ended = once(way.output, 'end');
  for (let at = 0; at < bytes.length; at += piece) way.input.write(bytes.subarray(at, at + piece));
  way.input.end();
  await ended;
  return Buffer.concat(out).toString();
}

const of = (type: string): Pairs => [['content-type', type]];

describe('the mask of an answer', () => {
  it('is there where a rule bears on it, and a rule of columns of a database does not', () => {
    const database = compileMasks([ruleView({ columns: ['hr.salaries.amount'] })], KEY);
    assert.equal(answer(database, [JSON_TYPE]), null);
    assert.equal(answerMask(null, { method: 'GET', status: 200, headers: [] }, LIMIT), null);
    const path = compileMasks([ruleView({ columns: ['*.salaries.amount'] })], KEY);
    assert.ok(answer(path, [JSON_TYPE]) !== null);
  });

  it('takes a pattern of columns that begins with * for a path', async () => {
    const plan = compileMasks([ruleView({ columns: ['*.customer.number', '*.*.iban'] })], KEY);
    const text =
      '{"customer":{"number":"x","n":1},"number":"y","iban":"z","a":{"customer":[{"Number":"x"}]}}';
    assert.equal(
      await through(plan, [JSON_TYPE], text),
      '{"customer":{"number":"[masked]","n":1},"number":"y","iban":"[masked]","a":{"customer":[{"Number":"[masked]"}]}}',
    );
  });

  it('refuses what cannot be masked', () => {
    for (const [headers, status] of [
      [of('application/octet-stream'), 200],
      [of('image/png'), 200],
      [of('text/html'), 200],
      [of('application/xml'), 200],
      [of('multipart/mixed; boundary=x'), 200],
      [of('application/grpc-web+proto'), 200],
      [of('application/graphql-response+json'), 200],
      [of('text/csv'), 200],
      [[], 200],
      [of(''), 200],
      [of('application/json, text/html'), 200],
      [of('application/json; charset=utf-16'), 200],
      [of('application/json; charset=utf-8; charset=utf-7'), 200],
      [of('text/plain; charset="utf-7"'), 200],
      [[JSON_TYPE, ['content-type', 'text/html']], 200],
      [[JSON_TYPE, ['content-encoding', 'compress']], 200],
      [[JSON_TYPE, ['content-encoding', 'gzip, gzip']], 200],
      [[JSON_TYPE, ['content-encoding', 'gzip'], ['content-encoding', 'br']], 200],
      [[JSON_TYPE], 206],
      [[JSON_TYPE, ['content-range', 'bytes 0-1/2']], 200],
    ] as const) {
      const mask = answer(both, headers, status);
      assert.ok(mask !== null && 'refused' in mask, JSON.stringify(headers));
    }
    assert.match(maskRefusal(names, 'GRPC') ?? '', /gRPC/);
    assert.match(maskRefusal(searches, 'WEBSOCKET') ?? '', /WebSocket/);
    assert.equal(maskRefusal(names, 'GET'), null);
  });

  it('has nothing to do where there is no body', () => {
    for (const [status, method, headers] of [
      [200, 'HEAD', of('image/png')],
      [204, 'GET', []],
      [304, 'GET', []],
      [200, 'POST', [['content-length', '0']]],
    ] as const) {
      const mask = answer(both, headers, status, method);
      assert.ok(mask !== null && 'body' in mask && mask.body === null);
    }
  });

  it('takes away what the service packed, and no more than can be', async () => {
    const text = JSON.stringify({ card_number: SECRET, a: 'b'.repeat(500) });
    for (const [coding, packed] of [
      ['gzip', gzipSync(text)],
      ['x-gzip', gzipSync(text)],
      ['DEFLATE', deflateSync(text)],
      ['br', brotliCompressSync(text)],
      ['zstd', zstdCompressSync(text)],
    ] as const) {
      const out = await through(names, [JSON_TYPE, ['content-encoding', coding]], packed);
      assert.equal(out, text.replace(SECRET, '[masked]'), coding);
      const cut = packed.subarray(0, packed.length - 5);
      await assert.rejects(through(names, [JSON_TYPE, ['content-encoding', coding]], cut), Unmaskable);
    }
    await assert.rejects(through(names, [JSON_TYPE, ['content-encoding', 'gzip']], text), Unmaskable);
    const bomb = brotliCompressSync(Buffer.concat([Buffer.from('"'), Buffer.alloc(30_000_000, 0x61)]));
    await assert.rejects(
      through(names, [JSON_TYPE, ['content-encoding', 'br']], bomb, 1000),
      /unpacks to far more/,
    );
  });

  it('breaks off where the body is not what its type says', async () => {
    await assert.rejects(through(names, [JSON_TYPE], `{"card_number":'${SECRET}'}`), Unmaskable);
    await assert.rejects(through(names, [JSON_TYPE], '{"a":1'), Unmaskable);
  });

  it('says nothing of the unmasked body in headers, and masks their values', () => {
    const mask = open(both, [JSON_TYPE]);
    assert.deepEqual(
      mask.headers([
        JSON_TYPE,
        ['content-length', '10'],
        ['content-encoding', 'gzip'],
        ['etag', '"d41d8cd98f"'],
        ['content-md5', 'x'],
        ['digest', 'x'],
        ['x-amz-checksum-sha256', 'x'],
        ['accept-ranges', 'bytes'],
        ['x-card-number', 'abc'],
        ['location', `/cards/${SECRET}`],
        ['x-other', 'kept'],
      ]),
      [JSON_TYPE, ['x-card-number', '[masked]'], ['location', '/cards/[masked]'], ['x-other', 'kept']],
    );
    assert.deepEqual(
      mask.trailers([
        ['x-checksum-sha', 'x'],
        ['card-number', SECRET],
      ]),
      [['card-number', '[masked]']],
    );
    assert.deepEqual(mask.counts().map(({ rows }) => rows).length, 3);
  });

  it('asks for the whole, unpacked, and leaves conditions of writing', () => {
    const headers: Pairs = [
      ['accept-encoding', 'gzip'],
      ['range', 'bytes=0-'],
      ['if-none-match', '"x"'],
      ['if-match', '"y"'],
      ['accept', '*/*'],
    ];
    assert.deepEqual(unencodedRequest('GET', headers), [
      ['accept', '*/*'],
      ['accept-encoding', 'identity'],
    ]);
    assert.deepEqual(
      unencodedRequest('PUT', headers).map(([name]) => name),
      ['if-none-match', 'if-match', 'accept', 'accept-encoding'],
    );
  });
});

describe('masks of other bodies', () => {
  const key = `-----BEGIN PRIVATE KEY-----\nMIIB${'a'.repeat(60)}\n-----END PRIVATE KEY-----`;

  it('search plain text line by line, private keys over many', async () => {
    const text = `pay ${SECRET} now\r\n\nplain\n${key} and more\nlast`;
    for (const piece of [1, 5, 1000]) {
      const out = await through(searches, of('text/plain'), text, piece);
      assert.equal(out, 'pay [masked] now\r\n\nplain\n[masked]\n\n and more\nlast');
    }
    const endless = await through(searches, of('text/plain'), `${key.slice(0, 60)}\n${'x\n'.repeat(100)}`);
    assert.ok(!/MIIB|x/.test(endless));
    const long = await through(searches, of('text/plain'), `${'x'.repeat(70_000)} ${SECRET}\nok`, 999);
    assert.equal(long, '[masked]\nok');
    await assert.rejects(through(searches, of('text/plain'), Buffer.from(SECRET, 'utf16le')), Unmaskable);
    const latin = Buffer.from(`caf\u00e9 ${SECRET}`, 'latin1');
    assert.ok(!(await through(searches, of('text/plain; charset=iso-8859-1'), latin)).includes(SECRET));
  });

  it('find names in plain text where a sign stands behind them, and JSON that is called text', async () => {
    const text = 'id: 1\ncard_number: abc def\n{"x": "card-number" = 12}\nok';
    assert.equal(
      await through(names, of('text/plain'), text),
      'id: 1\ncard_number: [masked]\n{"x": "card-number" = [masked]\nok',
    );
    const json = '\n {"card_number":"x",\n"b":2}\n';
    assert.equal(await through(names, of('text/plain'), json, 1), json.replace('"x"', '"[masked]"'));
    await assert.rejects(through(names, of('text/plain'), "{'card_number':\n'x'}"), Unmaskable);
  });

  it('mask each event of a stream before it goes on', async () => {
    const { body } = open(both, of('text/event-stream'));
    assert.ok(body !== null);
    body.input.write('event: x\ndata: {"card_number":"abc"}\n\ndata: {"card');
    const [first] = (await once(body.output, 'data')) as [Buffer];
    assert.equal(first.toString(), 'event: x\ndata: {"card_number":"[masked]"}\n\n');
    body.input.destroy();
    const cases = [
      ['data: {"card_number":\ndata: "abc"}\n\n', 'data: {"card_number":\ndata: "[masked]"}\n\n'],
      [
        'data:{"card_number":\r\ndata:"abc"}\r\n\r\n: c\r\n\r\n',
        'data: {"card_number":\ndata: "[masked]"}\n\n\n: c\r\n\r\n',
      ],
      [`id: ${SECRET}\rdata: a\r\r`, 'id: [masked]\ndata: a\n\n'],
      ['data\ndata: x\n\n\n\ndata: y', 'data\ndata: x\n\n\n\ndata: y'],
      ['\ufeffdata: {"card_number":1}', 'data: {"card_number":0}'],
      ["data: {'card_number':\ndata: 'abc'}\n\n", 'data: [masked]\n\n'],
      [`data: ${key.replaceAll('\n', '\ndata: ')}\n\n`, 'data: [masked]\n\n'],
    ] as const;
    for (const [text, expected] of cases)
      for (const piece of [1, 1000])
        assert.equal(await through(both, of('text/event-stream'), text, piece), expected);
    await assert.rejects(through(both, of('text/event-stream'), `data: ${'x'.repeat(200_000)}`), Unmaskable);
  });

  it('mask fields of forms', async () => {
    const form = of('application/x-www-form-urlencoded');
    const text = `a=b+c&card_number=12&card%5Fnumber=12&cards[0][card_number]=9&note=pay+${SECRET}&body=%7B%22card_number%22%3A1%7D&&d`;
    assert.equal(
      await through(both, form, text),
      'a=b+c&card_number=%5Bmasked%5D&card_number=%5Bmasked%5D&cards%5B0%5D%5Bcard_number%5D=%5Bmasked%5D&note=pay%20%5Bmasked%5D&body=%7B%22card_number%22%3A0%7D&&d',
    );
    for (const bad of ['card_number=4;11', 'a=%zz', 'a=%ff', `a=${'x'.repeat(200_000)}`])
      await assert.rejects(through(both, form, bad), Unmaskable);
  });
});
