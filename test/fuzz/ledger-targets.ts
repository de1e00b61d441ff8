/** Readers of the log's formats: what a journal, a package, a witness or another log brings. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { PosternError } from '../../src/core/errors.ts';
import { formatCheckpoint, parseCheckpoint } from '../../src/ledger/checkpoint.ts';
import { decodeBody, FrameEncoder, JOURNAL_HEADER, scanFrame } from '../../src/ledger/journal-frame.ts';
import { generateSigner, parseVerifierKey, signNote, splitNote } from '../../src/ledger/note.ts';
import { parsePolicy } from '../../src/ledger/policy.ts';
import { formatTlogProof, parseTlogProof } from '../../src/ledger/proof.ts';
import { decodeBundle, encodeBundle, entriesPath, parseIndexPath } from '../../src/ledger/tiles.ts';
import { formatSubmission, parseSubmission } from '../../src/ledger/witness-protocol.ts';
import { answers, type FuzzTarget } from './target.ts';

const HASH = createHash('sha256').update('leaf').digest();
const CHECKPOINT = formatCheckpoint({ origin: 'log.example/postern', size: 300, root: HASH });
const NOTE = signNote(CHECKPOINT, generateSigner('log.example/postern'));
const B64 = HASH.toString('base64');
const KEY = 'log.example+e7ea1234+AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==';

const lines = [
  '\n',
  '\n\n',
  '\u2014 ',
  ' ',
  '+',
  '0',
  '1',
  '-1',
  '9007199254740993',
  B64,
  KEY,
  '=',
  '\u0000',
];
const text = (input: Buffer): string => input.toString('utf8');

function frame(...records: readonly string[]): Buffer {
  const payloads = [{ kind: 'statement' as const, data: Buffer.from('select 1') }];
  return Buffer.from(new FrameEncoder().encode(records.map((json) => ({ json, payloads }))));
}

export const LEDGER_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'journal-frame',
    covers: ['src/ledger/journal-frame.ts'],
    seeds: [frame('{"id":"a"}'), frame('{"id":"a"}', '{"id":"b"}'), JOURNAL_HEADER],
    words: [frame('{}'), JOURNAL_HEADER],
    run(input) {
      const scan = scanFrame(input, 0);
      if (scan.kind === 'frame') assert.ok(scan.bodyEnd <= input.length);
      // The body is checked apart: behind two sums, hardly a changed one would be read.
      const records = decodeBody(input);
      const bytes = records?.reduce((sum, { payloads }) => {
        return sum + payloads.reduce((all, { data }) => all + data.length, 0);
      }, 0);
      assert.ok((bytes ?? 0) <= input.length, 'more bytes came out than went in');
    },
  },
  {
    name: 'note',
    covers: ['src/ledger/note.ts', 'src/ledger/checkpoint.ts'],
    seeds: [NOTE, CHECKPOINT, KEY],
    words: lines,
    run(input) {
      const parts = answers(() => splitNote(input), PosternError);
      answers(() => parseVerifierKey(text(input)), PosternError);
      const checkpoint = answers(() => parseCheckpoint(parts?.text ?? text(input)), PosternError);
      if (checkpoint === null) return;
      assert.ok(Number.isSafeInteger(checkpoint.size) && checkpoint.size >= 0);
      assert.deepEqual(parseCheckpoint(formatCheckpoint(checkpoint)), checkpoint);
    },
  },
  {
    name: 'tlog-proof',
    covers: ['src/ledger/proof.ts', 'src/ledger/note.ts'],
    seeds: [
      formatTlogProof({ extra: Buffer.alloc(0), index: 3, proof: [HASH, HASH], checkpoint: NOTE }),
      formatTlogProof({ extra: HASH, index: 0, proof: [], checkpoint: NOTE }),
    ],
    words: ['extra ', 'index ', ...lines],
    run(input) {
      const proof = answers(() => parseTlogProof(text(input)), PosternError);
      if (proof === null) return;
      assert.deepEqual(parseTlogProof(formatTlogProof(proof)), proof);
    },
  },
  {
    name: 'witness-submission',
    covers: ['src/ledger/witness-protocol.ts'],
    seeds: [formatSubmission({ old: 3, proof: [HASH], note: NOTE })],
    words: ['old ', ...lines],
    run(input) {
      const submission = answers(() => parseSubmission(text(input)), PosternError);
      if (submission === null) return;
      assert.ok(Number.isSafeInteger(submission.old) && submission.old >= 0);
    },
  },
  {
    name: 'policy',
    covers: ['src/ledger/policy.ts'],
    seeds: [`log ${KEY}\nwitness w1 ${KEY}\ngroup g 1 w1\nquorum g\n`],
    words: ['log ', 'witness ', 'group ', 'quorum ', 'any', 'all', 'none', 'w1', 'g', ...lines],
    run: (input) => void answers(() => parsePolicy(text(input)), PosternError),
  },
  {
    name: 'tiles',
    covers: ['src/ledger/tiles.ts'],
    seeds: ['x001/x234/067', '000.p/5', encodeBundle([Buffer.from('{}'), Buffer.from('{"a":1}')])],
    words: ['x', '/', '.p/', '000', '999', '256'],
    run(input) {
      const place = parseIndexPath(input.toString('latin1'));
      if (place !== null) {
        assert.equal(entriesPath(place.n, place.width), `tile/entries/${input.toString('latin1')}`);
      }
      for (const width of [1, 2, 256]) {
        const bundle = decodeBundle(input, width);
        if (bundle === null) continue;
        // What stands behind the entries asked for belongs to a wider bundle.
        const bytes = encodeBundle(bundle);
        assert.deepEqual(bytes, input.subarray(0, bytes.length));
      }
    },
  },
];
