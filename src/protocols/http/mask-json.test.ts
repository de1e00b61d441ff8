import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { KEY, ruleView, TRANSFORM_EXAMPLES } from '../../masking/plan.fixture.ts';
import { compileMasks, type MaskPlan } from '../../masking/rules.ts';
import { maskTyped } from '../../masking/transforms.ts';
import { JsonMasker } from './mask-json.ts';
import { BodyMasks, Unmaskable } from './mask-values.ts';

const MiB = 1024 * 1024;
const SECRET = '4111111111111111';

const named = compileMasks([ruleView({ names: ['card_number', 'iban'] })], KEY);
const both = compileMasks(
  [ruleView({ names: ['card_number'] }), ruleView({ detectors: ['card', 'email'] })],
  KEY,
);
const searched = compileMasks([ruleView({ detectors: ['card', 'email'] })], KEY);

function run(plan: MaskPlan, pieces: readonly Buffer[], many = false): string {
  const masker = new JsonMasker(new BodyMasks(plan, MiB), many);
  return Buffer.concat([...pieces.map((each) => masker.push(each)), masker.end()]).toString();
}

const masked = (plan: MaskPlan, text: string | Buffer, many = false): string =>
  run(plan, [Buffer.from(text)], many);

/** What a document is under rules by name, done on the parsed whole. */
function simply(plan: MaskPlan, value: unknown, parent: string | null, name: string | null): unknown {
  const mask = name === null ? null : plan.forMember(parent, name);
  if (mask !== null && !Array.isArray(value)) {
    if (value === null) return null;
    if (typeof value === 'string') return maskTyped(mask, 'text', value);
    const redacts = mask.transform.kind === 'redact';
    if (typeof value === 'boolean') return redacts ? false : null;
    if (typeof value === 'number') {
      const shown = maskTyped(mask, /^-?\d{1,18}$/.test(String(value)) ? 'int8' : 'numeric', String(value));
      return shown === null ? null : Number(shown);
    }
    return redacts ? '[masked]' : null;
  }
  if (Array.isArray(value)) return value.map((each) => simply(plan, each, parent, name));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, simply(plan, each, name, key)]));
}

const NAMES = ['card_number', 'cardNumber', 'CARD-NUMBER', 'iban', 'customer', 'a', '', 'ünï', '__x'];
const { json } = fc.letrec((tie) => ({
  json: fc.oneof(
    { depthSize: 'medium' },
    fc.constant(null),
    fc.boolean(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((each) => (each === 0 ? 0 : each)),
    fc.integer(),
    fc.string({ unit: 'binary' }).map((each) => `~${each}`),
    fc.array(tie('json'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom(...NAMES), tie('json'), { maxKeys: 5 }),
  ),
}));

describe('masks of JSON', () => {
  it('do as a simple masking of the whole parsed document does', () => {
    for (const transform of TRANSFORM_EXAMPLES) {
      const plan = compileMasks(
        [ruleView({ names: ['card_number'] }, transform), ruleView({ columns: ['*.customer.a'] }, transform)],
        KEY,
      );
      fc.assert(
        fc.property(json, (value) => {
          const text = JSON.stringify(value);
          const whole = JSON.parse(text) as unknown;
          assert.deepEqual(
            JSON.parse(masked(plan, text)),
            JSON.parse(JSON.stringify(simply(plan, whole, null, null))),
          );
        }),
        { numRuns: 100 },
      );
    }
  });

  it('give the same bytes however the document comes in pieces', () => {
    const cuts = fc.array(fc.nat(), { maxLength: 20 });
    fc.assert(
      fc.property(json, cuts, fc.constantFrom(named, both, searched), (value, at, plan) => {
        const bytes = Buffer.from(
          JSON.stringify({ value, card_number: SECRET, text: `{"iban":"${SECRET}"}` }, null, 1),
        );
        const ends = [...at.map((each) => each % bytes.length).sort((a, b) => a - b), bytes.length];
        const pieces = ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
        const whole = run(plan, [bytes]);
        assert.equal(run(plan, pieces), whole);
        assert.equal(
          run(
            plan,
            Array.from(bytes, (byte) => Buffer.from([byte])),
          ),
          whole,
        );
      }),
      { numRuns: 200 },
    );
  });

  it('pass documents in which nothing is masked byte for byte, whatever their blanks, escapes, numbers and repeats', () => {
    const other = compileMasks([ruleView({ names: ['nobody'] }), ruleView({ detectors: ['iban'] })], KEY);
    for (const text of [
      ...[
        '',
        ' \n',
        '0',
        '-0',
        '1e5',
        '1E+5',
        '-1.5e-300',
        'true',
        ' null ',
        '""',
        '"\\u0041\\/\\n"',
        '[]',
        '{ }',
      ],
      ...[
        '{"a":1,"a":2}',
        '[ 1 ,\t2\r\n]',
        '\ufeff{"a":"b"}',
        '{"a":"\\ud800"}',
        '"{not json"',
        '"[1,"',
        '"\\"{\\""',
      ],
      ...['{"long":12345678901234567890123456789012345678901234567890.000000001}', `"${'x'.repeat(60_000)}"`],
    ]) {
      assert.equal(masked(other, text), text);
      assert.equal(masked(named, text), text);
    }
    fc.assert(fc.property(fc.json(), (text) => assert.equal(masked(other, text), text)));
  });

  it('show nothing of what stands under a masked name in any of these ways', () => {
    for (const text of [
      `{"card_number":"${SECRET}"}`,
      `{"card\\u005fnumber":"${SECRET}"}`,
      `{"\\u0063ard_number":"${SECRET}"}`,
      `{"CardNumber":"${SECRET}","CARD NUMBER":"${SECRET}","card-number":"${SECRET}"}`,
      `{"card_number":${SECRET}}`,
      `{"card_number":${SECRET}.0}`,
      `{"card_number":${SECRET}e0}`,
      `{"card_number":-${SECRET}}`,
      `{"card_number":["${SECRET}",["${SECRET}",[${SECRET}]]]}`,
      `{"card_number":{"value":"${SECRET}","${SECRET}":[{"x":"${SECRET}"}]},"b":1}`,
      `{"card_number":[{"x":"${SECRET}"},{"y":{"z":"${SECRET}"}}]}`,
      `[{"a":[[{"card_number":"${SECRET}"}]]}]`,
      `{"card_number":"x","card_number":"${SECRET}"}`,
      `{"customer.card_number":"${SECRET}","customer[card_number]":"${SECRET}","bank:card_number":"${SECRET}"}`,
      `{"body":"{\\"card_number\\":\\"${SECRET}\\"}"}`,
      `{"body":"  [{\\"card\\\\u005fnumber\\":\\"${SECRET}\\"}]"}`,
      `{"body":"\\u007b\\"card_number\\":\\"${SECRET}\\"}"}`,
      `{"body":${JSON.stringify(JSON.stringify(JSON.stringify({ card_number: SECRET })))}}`,
      `{"body":${JSON.stringify(`{"card_number":"${SECRET}",}`)}}`,
      `{"body":${JSON.stringify(`{card_number:'${SECRET}'}`)}}`,
      `{"body":${JSON.stringify(`{"card\\u005fnumber":"${SECRET}"`)}}`,
      `\ufeff{"card_number":"${SECRET}"}`,
      `{"card_number"\n:\t"${SECRET}"}`,
      `{"card_number":"\\ud800${SECRET}"}`,
      `{"card_number":"${[...SECRET].map((digit) => `\\u003${digit}`).join('')}"}`,
    ]) {
      const out = masked(named, text);
      assert.ok(!out.includes(SECRET) && !out.includes('\\u0034'), `${text} gives ${out}`);
      assert.doesNotThrow(() => JSON.parse(out.replace(/^\ufeff/, '')), text);
    }
  });

  it('search strings, names and long numbers that no name masks', () => {
    const text = `{"a":"pay ${SECRET} now","${SECRET}":1,"n":${SECRET},"e":["a\\u0040bank.example"],"u":"${'1'.repeat(70_000)}"}`;
    assert.deepEqual(JSON.parse(masked(searched, text)), {
      a: 'pay [masked] now',
      '[masked]': 1,
      n: '[masked]',
      e: ['[masked]'],
      u: '[masked]',
    });
    assert.ok(!masked(searched, `"${'x'.repeat(MiB)} ${SECRET}"`).includes(SECRET));
    const nulls = compileMasks([ruleView({ detectors: ['email'] }, { kind: 'null' })], KEY);
    assert.equal(masked(nulls, '{"a":"x a@b.example","a@b.example":2}'), '{"a":null,"[masked]":2}');
  });

  it('end at the first byte that is no JSON, and show nothing behind it', () => {
    for (const text of [
      ...[
        '{',
        '[1',
        '"a',
        '{"a"',
        '{"a":',
        '{"a":1',
        'tru',
        '-',
        '01',
        '1.',
        '.5',
        '+1',
        'NaN',
        'Infinity',
        '1e',
        '0x1',
      ],
      ...[
        '[1,]',
        '{"a":1,}',
        '[,1]',
        '{,}',
        '[1 2]',
        '{"a" 1}',
        '{1:2}',
        "{'a':1}",
        '// x\n1',
        '/* x */1',
        '1 2',
        '{}{}',
      ],
      ...[
        '"\n"',
        '"\\x"',
        '"\\u12g4"',
        '[1}',
        '{]',
        ']',
        '}',
        ',',
        ':',
        '\u00a01',
        ")]}',\n{}",
        '\0',
        '{"a":1}x',
        '\ufeff\ufeff1',
      ],
    ]) {
      assert.throws(() => masked(named, text), Unmaskable, text);
    }
    for (const bytes of [
      Buffer.from(`{"card_number":"${SECRET}"}`, 'utf16le'),
      Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from('{}', 'utf16le')]),
      Buffer.concat([Buffer.from('{"card'), Buffer.from([0xff]), Buffer.from(`_number":"${SECRET}"}`)]),
      Buffer.from([0xef, 0xbb]),
    ]) {
      assert.throws(() => masked(named, bytes), Unmaskable);
    }
    const cut = new JsonMasker(new BodyMasks(named, MiB));
    assert.equal(cut.push(Buffer.from('{"a":1,')).toString(), '{"a":1,');
    assert.throws(() => cut.push(Buffer.from(`} "${SECRET}"`)), Unmaskable);
  });

  it('hold no more than one value, and refuse what would take more', () => {
    assert.throws(() => masked(named, '['.repeat(600)), Unmaskable);
    assert.throws(() => masked(named, `{"card_number":"${'x'.repeat(2 * MiB)}"}`), Unmaskable);
    assert.throws(() => masked(named, `{"${'x'.repeat(10_000)}":1}`), Unmaskable);
    assert.throws(() => masked(named, '1'.repeat(70_000)), Unmaskable);
    const long = JSON.stringify({ a: 'x'.repeat(2 * MiB), card_number: SECRET });
    assert.ok(masked(named, long).endsWith('"card_number":"[masked]"}'));
  });

  it('hold in each of many documents one behind the other', () => {
    const text = `{"card_number":"${SECRET}"}\n{"a":1}\n\n[{"card_number":${SECRET}}]\n`;
    assert.equal(masked(named, text, true), '{"card_number":"[masked]"}\n{"a":1}\n\n[{"card_number":0}]\n');
    assert.equal(
      masked(named, `\u001e{"iban":"x"}\n\u001e7\n`, true),
      '\u001e{"iban":"[masked]"}\n\u001e7\n',
    );
    assert.throws(() => masked(named, '{"a":\u001e1}', true), Unmaskable);
  });

  it('are counted by place, without ids and without what detectors find', () => {
    const masks = new BodyMasks(both, MiB);
    const masker = new JsonMasker(masks);
    const customer = { card_number: SECRET, mail: 'a@b.example' };
    masker.push(
      Buffer.from(
        JSON.stringify({ customers: [customer, customer], 4711: customer, 'a@b.example': customer }),
      ),
    );
    masker.end();
    const counted = new Map(masks.counts().map(({ column, rows }) => [column, rows]));
    assert.deepEqual([counted.get('customers.card_number'), counted.get('*.card_number')], [2, 2]);
    assert.ok(!JSON.stringify(masks.counts()).includes('a@b'));
  });
});
