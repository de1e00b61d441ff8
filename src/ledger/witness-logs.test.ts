import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { openCheckpoint } from './checkpoint.ts';
import { cosignaturesOf, generateWitnessKey, loadWitnessKey } from './cosignature.ts';
import { formatVerifierKey, generateSigner, parseVerifierKey, saveSigner, signNote } from './note.ts';
import { temporaryDirectory } from './test-log.ts';
import { TestTree } from './witness.fixture.ts';
import { WitnessLogs } from './witness-logs.ts';

const VICTIM = 'cosign-until-killed';

interface Held {
  readonly dir: string;
  readonly key: ReturnType<typeof generateWitnessKey>;
  readonly tree: TestTree;
  readonly witness: WitnessLogs;
  readonly said: string[];
  open(): WitnessLogs;
}

function held(context: TestContext): Held {
  const dir = temporaryDirectory();
  context.after(() => fs.rmSync(dir, { recursive: true }));
  const key = generateWitnessKey('witness.example/w1');
  const tree = new TestTree().grow(300);
  const said: string[] = [];
  const open = (): WitnessLogs => new WitnessLogs(dir, key, [tree.signer], (message) => said.push(message));
  return { dir, key, tree, witness: open(), said, open };
}

/** Cosigns what it is given, line by line, and says so only after. */
function victim(dir: string, vkey: string): void {
  const witness = new WitnessLogs(dir, loadWitnessKey(join(dir, 'key')), [parseVerifierKey(vkey)]);
  process.on('message', (body: string) => {
    const { status } = witness.submit(body);
    process.send?.(status);
  });
  process.send?.('ready');
}

if (process.argv[2] === VICTIM) {
  victim(process.argv[3] as string, process.argv[4] as string);
} else {
  describe('witness', () => {
    it('cosigns a log that grows, and the file it keeps is a checkpoint that anybody can open', (context) => {
      const { dir, key, tree, witness } = held(context);
      for (const [old, size] of [
        [0, 0],
        [0, 1],
        [1, 2],
        [2, 255],
        [255, 256],
        [256, 257],
        [257, 300],
        [300, 300],
      ] as const) {
        const answer = witness.submit(tree.submission(old, size));
        assert.equal(answer.status, 200, `${old} to ${size}: ${answer.body}`);
        const cosigned = tree.note(size) + answer.body;
        assert.equal(cosignaturesOf(cosigned, [key]).length, 1);
        assert.equal(witness.sizeOf(tree.signer.name), size);
      }
      const [file = ''] = fs.readdirSync(dir);
      assert.equal(openCheckpoint(fs.readFileSync(join(dir, file)), tree.signer).size, 300);
      assert.equal(fs.statSync(join(dir, file)).mode & 0o777, 0o600);
    });

    it('says which size it knows when another is named, lower or higher, and keeps its own', (context) => {
      const { tree, witness } = held(context);
      witness.submit(tree.submission(0, 100));
      for (const old of [0, 50, 99, 101]) {
        const answer = witness.submit(tree.submission(old, 200));
        assert.deepEqual([answer.status, answer.type, answer.body], [409, 'text/x.tlog.size', '100\n']);
      }
      assert.equal(witness.sizeOf(tree.signer.name), 100);
    });

    it('refuses a log that was set back, whatever it says it had', (context) => {
      const { tree, witness } = held(context);
      witness.submit(tree.submission(0, 100));
      assert.equal(witness.submit(tree.submission(50, 80)).status, 409);
      assert.equal(witness.submit(tree.submission(0, 80)).status, 409);
      const { note } = { note: tree.note(80) };
      assert.equal(witness.submit(`old 100\n\n${note}`).status, 400);
      assert.equal(witness.sizeOf(tree.signer.name), 100);
    });

    it('refuses a forked log, of the same size and of a larger one, and keeps the proof of the first', (context) => {
      const { dir, tree, witness, said } = held(context);
      witness.submit(tree.submission(0, 100));
      const fork = tree.fork(90).grow(200, 'forged');
      const same = witness.submit(fork.submission(100, 100));
      assert.deepEqual([same.status, same.body], [409, '100\n']);
      assert.equal(witness.submit(fork.submission(100, 200)).status, 422);
      assert.match(said.join('\n'), /FORKED/);
      const kept = fs
        .readdirSync(join(dir, 'forks'))
        .map((name) => fs.readFileSync(join(dir, 'forks', name)));
      const [a, b] = kept.map((note) => openCheckpoint(note, tree.signer));
      assert.equal(a?.size, b?.size);
      assert.notDeepEqual(a?.root, b?.root);
      for (let i = 0; i < 300; i++) witness.submit(fork.fork(90).grow(10, `f${i}`).submission(100, 100));
      assert.ok(fs.readdirSync(join(dir, 'forks')).length <= 200);
      assert.equal(witness.submit(tree.submission(100, 200)).status, 200);
    });

    it('refuses a proof with any hash changed, missing or added', (context) => {
      const { tree, witness } = held(context);
      witness.submit(tree.submission(0, 77));
      const proof = tree.proof(77, 300).map((hash) => hash.toString('base64'));
      const note = tree.note(300);
      const zero = Buffer.alloc(32).toString('base64');
      const wrong = [
        ...proof.map((_, i) => proof.with(i, zero)),
        ...proof.map((_, i) => proof.toSpliced(i, 1)),
        ...proof.map((_, i) => proof.toSpliced(i, 0, zero)),
        [...proof, zero],
        [],
      ];
      for (const lines of wrong) {
        assert.equal(
          witness.submit(`old 77\n${lines.map((line) => `${line}\n`).join('')}\n${note}`).status,
          422,
        );
      }
      assert.equal(witness.submit(`old 77\n${proof.join('\n')}\n\n${note}`).status, 200);
    });

    it('a first checkpoint comes without a proof', (context) => {
      const { tree, witness } = held(context);
      const body = `old 0\n${Buffer.alloc(32).toString('base64')}\n\n${tree.note(10)}`;
      assert.equal(witness.submit(body).status, 422);
    });

    it('knows its logs by origin and key', (context) => {
      const { tree, witness } = held(context);
      const stranger = new TestTree(generateSigner('log.example/2')).grow(5);
      assert.equal(witness.submit(stranger.submission(0)).status, 404);
      const impostor = new TestTree(generateSigner(tree.signer.name)).grow(5);
      assert.equal(witness.submit(impostor.submission(0)).status, 403);
      const unsigned = tree.submission(0, 5).replace(/\n— .*\n$/, '\n');
      assert.ok([400, 403].includes(witness.submit(unsigned).status));
      assert.equal(witness.sizeOf(tree.signer.name), 0);
    });

    it('follows a log through a change of its key, and keeps one state for both', (context) => {
      const { dir, key, tree } = held(context);
      const next = generateSigner(tree.signer.name);
      const witness = new WitnessLogs(dir, key, [tree.signer, next]);
      assert.equal(witness.submit(tree.submission(0, 100)).status, 200);
      const text = tree.note(200).split('\n\n')[0] as string;
      const proof = tree.proof(100, 200).map((hash) => `${hash.toString('base64')}\n`);
      const body = (signers: Parameters<typeof signNote>[1]): string =>
        `old 100\n${proof.join('')}\n${signNote(`${text}\n`, signers)}`;
      assert.equal(witness.submit(body([next, tree.signer])).status, 200);
      assert.equal(new WitnessLogs(dir, key, [next]).sizeOf(next.name), 200);
    });

    it('what it keeps has no signatures of strangers, of which there may be any number', (context) => {
      const { tree, witness, open } = held(context);
      const strangers = Array.from({ length: 63 }, (_, i) => generateSigner(`s.example/${i}`));
      const text = `${tree.note(100).split('\n\n')[0]}\n`;
      const body = `old 0\n\n${signNote(text, [tree.signer, ...strangers])}`;
      assert.equal(witness.submit(body).status, 200);
      assert.equal(open().sizeOf(tree.signer.name), 100);
      const twice = `old 100\n\n${signNote(
        text,
        Array.from({ length: 64 }, () => tree.signer),
      )}`;
      assert.equal(witness.submit(twice).status, 200);
      assert.equal(open().submit(tree.submission(100, 300)).status, 200);
    });

    it('refuses to start on a state that is not its own', (context) => {
      const { dir, tree, witness, open } = held(context);
      witness.submit(tree.submission(0, 100));
      const [name = ''] = fs.readdirSync(dir);
      const file = join(dir, name);
      const good = fs.readFileSync(file, 'utf8');
      fs.writeFileSync(file, tree.note(50));
      assert.throws(open, { code: 'POSTERN_INVALID' });
      fs.writeFileSync(file, good.replace('\n100\n', '\n99\n'));
      assert.throws(open, { code: 'POSTERN_INVALID' });
      fs.writeFileSync(file, '');
      assert.throws(open, { code: 'POSTERN_INVALID' });
      fs.writeFileSync(file, good);
      assert.equal(open().sizeOf(tree.signer.name), 100);
    });

    it('any body at all gets an answer that is no cosignature', (context) => {
      const { tree, witness } = held(context);
      const good = tree.submission(0, 100);
      fc.assert(
        fc.property(
          fc.oneof(
            fc.string(),
            fc
              .tuple(fc.nat(good.length), fc.nat(10))
              .map(([at, cut]) => good.slice(0, at) + good.slice(at + cut + 1)),
            fc
              .tuple(fc.nat(good.length), fc.string({ minLength: 1 }))
              .map(([at, more]) => good.slice(0, at) + more + good.slice(at)),
          ),
          (body) => {
            const { status } = witness.submit(body);
            assert.ok(
              [400, 403, 404, 409, 422].includes(status) || body.startsWith(good.trimEnd().slice(0, 60)),
            );
            if (status === 200) assert.deepEqual(witness.sizeOf(tree.signer.name), 100);
          },
        ),
      );
    });

    it('is killed at any moment and never forgets what it has handed out', async (context) => {
      const { dir, key, tree } = held(context);
      saveSigner(join(dir, 'key'), key);
      let confirmed = 0;
      let rounds = 0;
      for (; rounds < 8 && confirmed < 300; rounds++) {
        const args = [import.meta.filename, VICTIM, dir, formatVerifierKey(tree.signer)];
        const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
        await once(child, 'message');
        let knows = new WitnessLogs(dir, key, [tree.signer]).sizeOf(tree.signer.name);
        assert.ok(knows === confirmed || knows === confirmed + 1, `${knows} after ${confirmed}`);
        confirmed = knows;
        const target = Math.min(300, knows + 5 + Math.floor(Math.random() * 20));
        while (knows < target) {
          child.send(tree.submission(knows, knows + 1));
          const [status] = (await once(child, 'message')) as [number];
          assert.equal(status, 200);
          confirmed = ++knows;
        }
        // One more is on its way when it dies: persisted or not, but never answered and forgotten.
        if (knows < 300) child.send(tree.submission(knows, knows + 1));
        if (rounds % 2 === 0) await new Promise((resolve) => setImmediate(resolve));
        child.kill('SIGKILL');
        await once(child, 'close');
      }
      const witness = new WitnessLogs(dir, key, [tree.signer]);
      const knows = witness.sizeOf(tree.signer.name);
      assert.ok(knows >= confirmed);
      assert.equal(witness.submit(tree.submission(knows, 300)).status, 200);
    });
  });
}
