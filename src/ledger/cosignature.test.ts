import assert from 'node:assert/strict';
import { createPublicKey, hash, verify } from 'node:crypto';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { formatCheckpoint, openCheckpoint } from './checkpoint.ts';
import {
  cosign,
  cosignaturesOf,
  formatWitnessKey,
  generateWitnessKey,
  loadWitnessKey,
  parseWitnessKey,
} from './cosignature.ts';
import { formatVerifierKey, generateSigner, parseVerifierKey, saveSigner, signNote } from './note.ts';
import { temporaryDirectory } from './test-log.ts';

const log = generateSigner('log.example/1');
const witness = generateWitnessKey('witness.example/w1');
const text = formatCheckpoint({ origin: log.name, size: 42, root: Buffer.alloc(32, 9) });
const note = signNote(text, log);

describe('cosignature/v1', () => {
  it('is byte for byte what the standard says, by its own words and with node:crypto alone', () => {
    const line = cosign(text, witness, 1_679_315_147);
    const match = /^— witness\.example\/w1 (\S+)\n$/.exec(line);
    const bytes = Buffer.from(match?.[1] ?? '', 'base64');
    assert.equal(bytes.length, 4 + 8 + 64);
    const id = hash(
      'sha256',
      Buffer.concat([Buffer.from('witness.example/w1\n\x04'), witness.publicKey]),
      'buffer',
    );
    assert.deepEqual(bytes.subarray(0, 4), id.subarray(0, 4));
    assert.equal(bytes.readBigUInt64BE(4), 1_679_315_147n);
    const key = createPublicKey({
      key: { kty: 'OKP', crv: 'Ed25519', x: witness.publicKey.toString('base64url') },
      format: 'jwk',
    });
    const message = `cosignature/v1\ntime 1679315147\nlog.example/1\n42\n${Buffer.alloc(32, 9).toString('base64')}\n`;
    assert.ok(verify(null, Buffer.from(message), key, bytes.subarray(12)));
  });

  it('is found on a checkpoint that still opens with the key of the log alone', () => {
    const cosigned = note + cosign(text, witness, 1000);
    assert.equal(openCheckpoint(cosigned, log).size, 42);
    const [found] = cosignaturesOf(cosigned, [parseWitnessKey(formatWitnessKey(witness))]);
    assert.deepEqual([found?.name, found?.time], ['witness.example/w1', 1000]);
    assert.deepEqual(cosignaturesOf(note, [witness]), []);
    assert.deepEqual(cosignaturesOf(cosigned, [generateWitnessKey('witness.example/w1')]), []);
  });

  it('the latest of one witness counts', () => {
    const twice = note + cosign(text, witness, 5) + cosign(text, witness, 9) + cosign(text, witness, 7);
    assert.deepEqual(
      cosignaturesOf(twice, [witness]).map(({ time }) => time),
      [9],
    );
  });

  it('any flipped bit of time, signature or text is refused', () => {
    const line = cosign(text, witness, 1000).trimEnd();
    const bytes = Buffer.from(line.split(' ')[2] as string, 'base64');
    fc.assert(
      fc.property(fc.integer({ min: 32, max: bytes.length * 8 - 1 }), (bit) => {
        const changed = Buffer.from(bytes);
        const at = Math.floor(bit / 8);
        changed[at] = (changed[at] as number) ^ (1 << (bit % 8));
        const forged = `${note}— ${witness.name} ${changed.toString('base64')}\n`;
        assert.throws(() => cosignaturesOf(forged, [witness]), { code: 'POSTERN_INVALID' });
      }),
    );
    const other = signNote(text.replace('42', '43'), log) + cosign(text, witness, 1000);
    assert.throws(() => cosignaturesOf(other, [witness]), { code: 'POSTERN_INVALID' });
  });

  it('neither type of key passes for the other', () => {
    assert.throws(() => parseWitnessKey(formatVerifierKey(log)), { code: 'POSTERN_INVALID' });
    assert.throws(() => parseVerifierKey(formatWitnessKey(witness)), { code: 'POSTERN_INVALID' });
    assert.throws(() => openCheckpoint(text + cosign(text, witness, 1), log), { code: 'POSTERN_INVALID' });
  });

  it('a key file comes back as it was, and is refused where others can read it', () => {
    const dir = temporaryDirectory();
    const file = join(dir, 'witness.key');
    saveSigner(file, witness);
    assert.equal(formatWitnessKey(loadWitnessKey(file)), formatWitnessKey(witness));
    fs.chmodSync(file, 0o640);
    assert.throws(() => loadWitnessKey(file), /can be read by others/);
    fs.rmSync(dir, { recursive: true });
  });
});
