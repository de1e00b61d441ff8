import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { formatCheckpoint } from './checkpoint.ts';
import { cosign, formatWitnessKey, generateWitnessKey } from './cosignature.ts';
import { formatVerifierKey, generateSigner, signNote } from './note.ts';
import { checkPolicy, parsePolicy } from './policy.ts';

const log = generateSigner('log.example/1');
const X = [1, 2, 3].map((n) => generateWitnessKey(`x.example/${n}`));
const Y = [1, 2, 3].map((n) => generateWitnessKey(`y.example/${n}`));
const text = formatCheckpoint({ origin: log.name, size: 7, root: Buffer.alloc(32, 1) });
const signed = (witnesses: typeof X): string =>
  signNote(text, log) + witnesses.map((witness) => cosign(text, witness, 1234)).join('');
const line = (name: string, witness: (typeof X)[number]): string =>
  `witness ${name} ${formatWitnessKey(witness)}\n`;

const EXAMPLE = `# two organisations
log ${formatVerifierKey(log)}   https://log.example/

${X.map((key, i) => line(`X${i + 1}`, key)).join('')}
group X-witnesses 2 X1 X2 X3
\t${Y.map((key, i) => line(`Y${i + 1}`, key)).join('')}
group Y-witnesses any Y1 Y2 Y3
group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
`;

describe('witness policy', () => {
  it('two of three here and one of three there is met by exactly those sets', () => {
    const policy = parsePolicy(EXAMPLE);
    fc.assert(
      fc.property(fc.subarray(X), fc.subarray(Y), (x, y) => {
        const result = checkPolicy(policy, signed([...x, ...y]));
        assert.equal(result.met, x.length >= 2 && y.length >= 1);
        assert.equal(result.cosigned.length, x.length + y.length);
        assert.equal(result.absent.length, 6 - x.length - y.length);
        assert.equal(result.log, true);
      }),
    );
  });

  it('says who cosigned, by the name in the policy, under which key and when', () => {
    const { cosigned } = checkPolicy(parsePolicy(EXAMPLE), signed([Y[1] as (typeof Y)[number]]));
    assert.deepEqual(cosigned, [{ witness: 'Y2', key: 'y.example/2', time: 1234 }]);
  });

  it('cosignatures without the signature of a log of the policy are worth nothing', () => {
    const policy = parsePolicy(EXAMPLE);
    const other = generateSigner('log.example/1');
    const note = signNote(text, other) + [...X, ...Y].map((witness) => cosign(text, witness, 1)).join('');
    assert.deepEqual([checkPolicy(policy, note).met, checkPolicy(policy, note).log], [false, false]);
    const elsewhere = formatCheckpoint({ origin: 'log.example/2', size: 7, root: Buffer.alloc(32, 1) });
    assert.equal(checkPolicy(policy, signNote(elsewhere, log)).log, false);
    const open = parsePolicy(EXAMPLE.replace(/^log .*$/m, ''));
    assert.deepEqual([checkPolicy(open, note).met, checkPolicy(open, note).log], [true, null]);
  });

  it('a cosignature that does not hold, of a witness of the policy, refuses the checkpoint', () => {
    const wrong = signNote(text, log) + cosign(text.replace('7', '8'), X[0] as (typeof X)[number], 1);
    assert.throws(() => checkPolicy(parsePolicy(EXAMPLE), wrong), { code: 'POSTERN_INVALID' });
  });

  it('"quorum none" asks for no witness', () => {
    assert.equal(checkPolicy(parsePolicy('quorum none\n'), signed([])).met, true);
  });

  const w = line('A', X[0] as (typeof X)[number]);
  const refused: readonly (readonly [what: string, policy: string])[] = [
    ['nothing', ''],
    ['no quorum', w],
    ['two quorums', `${w}quorum A\nquorum A\n`],
    ['a quorum that is not defined', `${w}quorum B\n`],
    ['a quorum that is defined below', `quorum A\n${w}`],
    ['a name twice', `${w}${line('A', X[1] as (typeof X)[number])}quorum A\n`],
    ['a key twice', `${w}${line('B', X[0] as (typeof X)[number])}quorum A\n`],
    ['a witness called none', `${line('none', X[0] as (typeof X)[number])}quorum none\n`],
    ['none in a group', `${w}group G any A none\nquorum G\n`],
    ['a group without members', `${w}group G any\nquorum G\n`],
    ['a threshold of 0', `${w}group G 0 A\nquorum G\n`],
    ['a threshold above the members', `${w}group G 2 A\nquorum G\n`],
    ['a threshold with a leading zero', `${w}group G 01 A\nquorum G\n`],
    ['a member of two groups', `${w}group G any A\ngroup H any A\nquorum G\n`],
    ['a member twice', `${w}group G any A A\nquorum G\n`],
    ['a group in itself', `${w}group G any G\nquorum G\n`],
    ['the key of a log for a witness', `witness A ${formatVerifierKey(log)}\nquorum A\n`],
    ['the key of a witness for a log', `log ${formatWitnessKey(X[0] as (typeof X)[number])}\nquorum none\n`],
    ['a log twice', `log ${formatVerifierKey(log)}\nlog ${formatVerifierKey(log)}\nquorum none\n`],
    ['an unknown line', `${w}quorum A\nwitnesses all\n`],
    ['a control character', `${w}quorum A\r\n`],
    ['too much', `${'# x\n'.repeat(100_000)}quorum none\n`],
  ];
  for (const [what, policy] of refused) {
    it(`with ${what} is refused`, () => {
      assert.throws(() => parsePolicy(policy), { code: 'POSTERN_INVALID' });
    });
  }

  it('any text at all is read or refused, and nothing else', () => {
    const word = fc.constantFrom(
      'log',
      'witness',
      'group',
      'quorum',
      'none',
      'any',
      'all',
      '1',
      'A',
      'B',
      '#',
      '\t',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(word, fc.string(), fc.constant('\n'))), (words) => {
        try {
          parsePolicy(words.join(' '));
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'POSTERN_INVALID');
        }
      }),
    );
  });
});
