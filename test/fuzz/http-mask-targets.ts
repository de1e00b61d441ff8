/** Bodies of answers of HTTP services under masks. */
import assert from 'node:assert/strict';
import { KEY, ruleView } from '../../src/masking/plan.fixture.ts';
import { compileMasks } from '../../src/masking/rules.ts';
import type { Masker } from '../../src/protocols/http/mask-body.ts';
import { EventMasker } from '../../src/protocols/http/mask-events.ts';
import { FormMasker } from '../../src/protocols/http/mask-form.ts';
import { JsonMasker } from '../../src/protocols/http/mask-json.ts';
import { TextMasker } from '../../src/protocols/http/mask-text.ts';
import { BodyMasks, Unmaskable } from '../../src/protocols/http/mask-values.ts';
import { answers, type FuzzTarget } from './target.ts';

const NAMED = compileMasks([ruleView({ names: ['card_number'] })], KEY);
const BOTH = compileMasks(
  [ruleView({ names: ['card_number'] }), ruleView({ detectors: ['card', 'email', 'private_key'] })],
  KEY,
);
/** A small limit, so that what is over it is tried as well. */
const LIMIT = 1024;

/** What goes on of a body in pieces; null where it is broken off. */
function passed(masker: Masker, bytes: Buffer, piece: number): Buffer | null {
  return answers(() => {
    const out: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += piece) out.push(masker.push(bytes.subarray(at, at + piece)));
    return Buffer.concat([...out, masker.end()]);
  }, Unmaskable);
}

/** Whatever the pieces, the same goes on. */
function inPieces(make: () => Masker, bytes: Buffer): Buffer | null {
  const whole = passed(make(), bytes, Math.max(1, bytes.length));
  for (const piece of [1, 3]) assert.deepEqual(passed(make(), bytes, piece), whole);
  return whole;
}

/** Under a masked name nothing stands but what is fixed. */
function onlyMasked(value: unknown, masked: boolean): void {
  if (Array.isArray(value)) for (const each of value) onlyMasked(each, masked);
  else if (masked) assert.ok([null, false, 0, '[masked]'].includes(value as null), JSON.stringify(value));
  else if (typeof value === 'object' && value !== null)
    for (const [name, each] of Object.entries(value)) onlyMasked(each, NAMED.forMember(null, name) !== null);
}

function parsed(bytes: Buffer): unknown {
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  return JSON.parse(text);
}

export const HTTP_MASK_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'masked-json',
    covers: ['http/mask-', 'masking/members'],
    seeds: [
      '{"card_number":"4111111111111111","a":[1,true,null,{"card\\u005fnumber":[["x"],{"y":2}]}]}',
      '{"body":"{\\"card_number\\":\\"4111\\"}","customer.card_number":1.5e3,"e":"ada@bank.example"}',
      '\ufeff [ "\\ud800", -0, {"Card-Number": false, "card_number": {"z": [{}]}} ] ',
    ],
    words: [
      ...[
        '"card_number"',
        ':',
        ',',
        '{',
        '}',
        '[',
        ']',
        '"',
        '\\',
        '\\"',
        '\\u005f',
        '\\ud83d',
        '\ufeff',
        '\u001e',
      ],
      ...['null', 'true', '1e5', '-', '4111111111111111', ' ', '\n', '"{', '}"', 'a@b.example', '\u00ff'],
    ],
    run(input) {
      const bytes = Buffer.from(input);
      for (const plan of [NAMED, BOTH]) {
        for (const many of [false, true]) {
          const out = inPieces(() => new JsonMasker(new BodyMasks(plan, LIMIT), many), bytes);
          if (many || out === null || out.toString().trim() === '' || out[0] === 0xef) continue;
          // Of strings that nothing is masked in not all is looked at.
          const before = answers(() => parsed(bytes), SyntaxError, TypeError);
          if (before !== null) onlyMasked(parsed(out), false);
          if (before !== null && plan === NAMED && !/card/i.test(JSON.stringify(before)))
            assert.deepEqual(out, bytes);
        }
      }
    },
  },
  {
    name: 'masked-texts',
    covers: ['http/mask-'],
    seeds: [
      'card_number: 4111111111111111\r\n-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\nx',
      'event: a\ndata: {"card_number":\r\ndata: "x"}\r\r\n\n: c\nid: ada@bank.example\n\n',
      'a=b+c&card%5Fnumber=4111111111111111&cards[0][card_number]=%7B%22a%22%3A1%7D&x',
    ],
    words: [
      '\r',
      '\n',
      '\r\n',
      'data:',
      ' ',
      '&',
      '=',
      '%',
      '%22',
      '+',
      ';',
      'card_number',
      ':',
      '{',
      '\\',
      '\0',
    ],
    run(input) {
      const bytes = Buffer.from(input);
      for (const plan of [NAMED, BOTH])
        for (const Kind of [TextMasker, EventMasker, FormMasker])
          inPieces(() => new Kind(new BodyMasks(plan, LIMIT)), bytes);
    },
  },
];
