import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DETECTORS, type DetectorName } from '../core/masks.ts';
import { findSecrets } from './detectors.ts';

/** What a detector finds in a text. */
const found = (detector: DetectorName, text: string): string[] =>
  findSecrets(text, [detector]).map(({ start, end }) => text.slice(start, end));

/** Texts with what must be found in them; the detectors that see it. Secrets are put together here so that none stands in the file. */
const B64 = 'wJalrXUtnFEMIK7MDENGbPxRfiCYzzK3qQ9v0a1B';
const JWT = `${Buffer.from('{"alg":"HS256"}').toString('base64url')}.${Buffer.from('{"sub":"ada"}').toString('base64url')}.c2lnbmF0dXJlLXNpZw`;
const PEM = `-----BEGIN ${'PRIVATE'} KEY-----\nMIIB\n-----END ${'PRIVATE'} KEY-----`;
const POSITIVE: Readonly<Record<DetectorName, readonly (string | readonly [text: string, found: string])[]>> =
  {
    email: [
      'ada@bank.example',
      'Ada.Boone+tag@mail.bank.example',
      "o'neil@bank.example",
      'jürgen@bücher.example',
      ['<ada@bank.example>,', 'ada@bank.example'],
      ['mailto:ada@bank.example.', 'ada@bank.example'],
      ['x=ada@bank.example;y', 'x=ada@bank.example'],
      '"john doe"@bank.example',
      ['ada@bank.example..', 'ada@bank.example'],
    ],
    phone: [
      '+49 30 1234567',
      '+14155550132',
      '+44 (0)20 7946 0958',
      '0049 30 1234567',
      '030/1234567',
      '0171 1234567',
      '020 7946 0958',
      ['(415) 555-0132', '415) 555-0132'],
      '415-555-0132',
      '1-415-555-0132',
      '415.555.0132',
    ],
    card: [
      '4111111111111111',
      '4111 1111 1111 1111',
      '4111-1111-1111-1111',
      '5555555555554444',
      '2223003122003222',
      '3782 822463 10005',
      '6011111111111117',
      '30569309025904',
      '3530111333300000',
      '6200000000000005',
      ['card4111111111111111x', '4111111111111111'],
      ['123-45-6789 4111 1111 1111 1111 12/26', '4111 1111 1111 1111'],
      '4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1',
    ],
    iban: [
      'DE89370400440532013000',
      'DE89 3704 0044 0532 0130 00',
      'GB29NWBK60161331926819',
      'gb29 nwbk 6016 1331 9268 19',
      'FR1420041010050500013M02606',
      'NO9386011117947',
      'MT84MALT011000012345MTLCAST001S',
      ['IBAN:DE89370400440532013000.', 'DE89370400440532013000'],
      ['DE89 3704 0044 0532 0130 00 is mine', 'DE89 3704 0044 0532 0130 00'],
    ],
    ssn: ['123-45-6789', '123 45 6789', ['ssn 123-45-6789.', '123-45-6789']],
    itin: ['912-70-1234', '900 50 0001'],
    nino: ['AB123456C', 'ab 12 34 56 c', 'JG-10-30-59-A'],
    steuer_id: ['86095742719', '86 095 742 719', '65929970489'],
    aws_key: [`AKIA${'IOSFODNN7EXAMPLE'}`, [`x=ASIA${'IOSFODNN7EXAMPLE'}"`, `ASIA${'IOSFODNN7EXAMPLE'}`]],
    github_token: [`ghp_${B64.slice(0, 36)}`, `github_pat_${B64.slice(0, 22)}_${B64.slice(0, 10)}`],
    api_key: [
      `sk_live_${B64.slice(0, 24)}`,
      `xoxb-${'1234567890'}`,
      `AIza${B64.slice(0, 35)}`,
      `glpat-${B64.slice(0, 20)}`,
      ['postgres://app:hunter2@db/bank', '://app:hunter2@'],
    ],
    jwt: [JWT, [`Bearer ${JWT}`, JWT], [`token=${JWT}`, JWT]],
    private_key: [PEM, [`x ${PEM} y`, PEM], [`x ${PEM.slice(0, 40)} y`, `${PEM.slice(0, 40)} y`]],
    high_entropy: [B64, [`key: ${B64},`, B64], 'b1946ac92492d2347c6235b4d2611184'],
  };

/** Ordinary data in which a detector must find nothing. */
const NEGATIVE: Readonly<Record<DetectorName, readonly string[]>> = {
  email: ['@ada', 'a@b', 'price @ 10.50', 'user@localhost', 'x@1.2', '@', '@@', 'a@.', 'a@..com'],
  phone: [
    '2024-05-17 10:11:12',
    '01.05.2024',
    '10.0.0.1',
    '0.123456789',
    '12345',
    '1234567',
    'v1.2.3',
    '-5000000',
  ],
  card: [
    '4111111111111112',
    '0000000000000000',
    '1234567890123456',
    '41111111111111111111111',
    '2024-05-17 10:11:12.123456',
  ],
  iban: ['DE89370400440532013001', 'XX89370400440532013000', 'DE8937040044053201300', 'AB12CD34'],
  ssn: [
    '000-12-3456',
    '666-12-3456',
    '900-12-3456',
    '123-00-4567',
    '123-45-0000',
    '123-456-789',
    '1123-45-6789',
  ],
  itin: ['123-45-6789', '912-66-1234', '912-93-1234'],
  nino: ['BG123456A', 'AB123456E', 'DA123456A', 'XAB123456CX', 'AB12345C'],
  steuer_id: ['86095742718', '00000000000', '12345678901', '1111111111', '860957427190'],
  aws_key: ['AKIA', 'AKIAshort', `akia${'iosfodnn7example'}`],
  github_token: ['ghp_short', 'gh_pat', 'github_pat_'],
  api_key: ['sk_test', 'https://bank.example/a:b', 'xoxb-1', '12:30', 'http://bank.example:8443/'],
  jwt: ['eyJ', 'eyJhbGciOi', 'a.b.c', 'www.bank.example.com', 'eyJxxxxxxxxxxxxxxxx.yyyyyyyyyyyy'],
  private_key: ['-----BEGIN PUBLIC KEY-----', '-----BEGIN CERTIFICATE-----', 'PRIVATE KEY'],
  high_entropy: [
    'the quick brown fox jumps over the lazy dog',
    '01a1ffcb-ab5a-7000-b40f-d7fb16035685',
    '/usr/local/share/postgresql/extension',
    'nightly_ledger_batch_of_the_bank',
    'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
    '12345678901234567890123456789012',
  ],
};

for (const detector of DETECTORS) {
  test(`${detector}: finds what it is for, and all of it`, () => {
    for (const entry of POSITIVE[detector]) {
      const [text, expected] = typeof entry === 'string' ? [entry, entry] : entry;
      const all = found(detector, text);
      assert.ok(all.includes(expected), `${text}: ${all.join(' | ')}`);
    }
  });

  test(`${detector}: finds nothing in ordinary data`, () => {
    for (const text of NEGATIVE[detector]) assert.deepEqual(found(detector, text), [], text);
  });

  test(`${detector}: finds it in the middle of other text`, () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...POSITIVE[detector]),
        fc.stringMatching(/^[\x20-\x22\x3b<>,\n]{0,40}$/),
        fc.stringMatching(/^[\x20-\x22\x3b<>,\n]{0,40}$/),
        (entry, before, after) => {
          const [text, expected] = typeof entry === 'string' ? [entry, entry] : entry;
          // A quote in front of an address belongs to it; an unfinished key has no end.
          if (detector === 'email' || detector === 'private_key') {
            assert.ok(found(detector, `${before} ${text} ${after}`).length > 0);
          } else assert.ok(found(detector, `${before} ${text} ${after}`).some((each) => each === expected));
        },
      ),
    );
  });
}

const grouped = (text: string, size: number, mark: string): string =>
  text.replace(new RegExp(`.{${size}}(?=.)`, 'g'), (group) => group + mark);
const separator = fc.constantFrom('', ' ', '-', '.');
const neighbour = fc.constantFrom('', 'no. ', '12/26 ', '(', '"', '2024-05-17 ', '007 ', '\u00a0');

test('every number of an issuer with a right check digit is found, however it is grouped and whatever stands around it', () => {
  const head = fc.constantFrom('4', '51', '55', '2221', '2720', '6011', '65', '3528');
  const digits = fc.stringMatching(/^[0-9]{14}$/);
  fc.assert(
    fc.property(head, digits, separator, neighbour, neighbour, (first, rest, mark, before, after) => {
      const body = (first + rest).slice(0, 15);
      // The last digit makes the sum of all digits, every second one doubled from the right, a multiple of ten.
      const sum = [...body].reverse().reduce((total, digit, i) => {
        const value = i % 2 === 0 ? Number(digit) * 2 : Number(digit);
        return total + (value > 9 ? value - 9 : value);
      }, 0);
      const card = grouped(`${body}${(10 - (sum % 10)) % 10}`, 4, mark);
      assert.ok(found('card', `${before}${card} ${after}`).includes(card), card);
    }),
  );
});

test('every IBAN with right check digits is found, in one piece or in fours, in either case', () => {
  const country = fc.constantFrom(['DE', 22], ['NO', 15], ['MT', 31], ['GB', 22], ['FR', 27], ['LC', 32]);
  const account = fc.stringMatching(/^[0-9A-Z]{28}$/);
  const spaced = fc.constantFrom('', ' ');
  fc.assert(
    fc.property(
      country,
      account,
      spaced,
      fc.boolean(),
      neighbour,
      ([code, length], rest, mark, lower, before) => {
        const number = rest.slice(0, Number(length) - 4);
        const value = [...`${number}${code}00`].map((char) => Number.parseInt(char, 36)).join('');
        const check = String(98n - (BigInt(value) % 97n)).padStart(2, '0');
        const iban = grouped(`${code}${check}${number}`, 4, mark);
        const text = lower ? iban.toLowerCase() : iban;
        assert.ok(found('iban', `${before}${text}, ok`).includes(text), text);
      },
    ),
  );
});

test('one wrong digit makes no card and no IBAN', () => {
  fc.assert(
    fc.property(fc.nat(15), fc.integer({ min: 1, max: 9 }), (at, by) => {
      const card = [...'4111111111111111'];
      card[at] = String((Number(card[at]) + by) % 10);
      assert.deepEqual(found('card', card.join('')), []);
      const iban = [...'DE89370400440532013000'];
      iban[at + 4] = String((Number(iban[at + 4]) + by) % 10);
      assert.deepEqual(found('iban', iban.join('')), []);
    }),
  );
});

test('findings lie within the text and in order, whatever the text', () => {
  const hard = fc.array(
    fc.constantFrom(...'@.+-( )04159DEABeyJ_/:=\n', 'AKIA', '-----BEGIN PRIVATE KEY-----'),
    {
      maxLength: 200,
    },
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        hard.map((parts) => parts.join('')),
      ),
      (text) => {
        for (const detector of DETECTORS) {
          let last = 0;
          for (const { start, end } of findSecrets(text, [detector])) {
            assert.ok(start >= 0 && start < end && end <= text.length);
            assert.ok(start >= last || detector === 'email', detector);
            last = end;
          }
        }
      },
    ),
  );
});

test('a hostile text of the greatest length costs each detector work in proportion to its length, not to its square', () => {
  const hostile = [
    ...[
      '@',
      'a@',
      '"@',
      '4 ',
      '4',
      '4444 ',
      'eyJ',
      'eyJhbGciOiJ.',
      '-----BEGIN PRIVATE KEY-----',
      '-----BEGIN ',
    ],
    ...[
      'AA11',
      'DE89 ',
      '://a:',
      'Aa1',
      '1   ',
      '00 0',
      'xoxb-',
      'AB12',
      'ghp_',
      '(1',
      '+1',
      'a.',
      'SG.',
      '0 1-',
    ],
  ].map((piece) => piece.repeat(Math.ceil(65_536 / piece.length)).slice(0, 65_536));
  const tails = ['a@', '://', '"'].map((head) => head + 'a'.repeat(65_000));
  const dashes = [`a@${'-'.repeat(65_000)}a`, `a@${'.a'.repeat(32_000)}.1`, `a@${'a'.repeat(65_000)}.1`];
  for (const text of [...hostile, ...tails, ...dashes]) {
    // Quadratic work would be four thousand million steps: minutes, and the runner's own limit.
    assert.ok(findSecrets(text, DETECTORS).length <= text.length * DETECTORS.length);
  }
});
