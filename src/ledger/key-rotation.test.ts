import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { Actor } from '../core/record.ts';
import { openCheckpoint } from './checkpoint.ts';
import { JournalWriter } from './journal.ts';
import { logSigners } from './log-key.ts';
import { generateSigner, openNote, parseVerifierKey, parseVerifierKeys } from './note.ts';
import { PayloadStore } from './payloads.ts';
import { Sequencer } from './sequencer.ts';
import {
  Collector,
  commandJson,
  drain,
  KEYS,
  type OpenLog,
  openLog,
  temporaryDirectory,
  verified,
} from './test-log.ts';

const ANA: Actor = { kind: 'person', id: 'p-1', name: 'Ana Admin' };
const DAY_MS = 86_400_000;

class Rotating {
  readonly dir: string = temporaryDirectory();
  log: OpenLog;
  readonly collector = new Collector();
  #count = 0;

  constructor(context: TestContext) {
    this.log = openLog(this.dir, [this.collector]);
    context.after(() => {
      this.log.close();
      fs.rmSync(this.dir, { recursive: true });
    });
  }

  get sequencer(): Sequencer {
    return this.log.sequencer;
  }

  /** A record more, under a checkpoint. */
  grow(): string {
    const journal = JournalWriter.create(join(this.dir, 'journal'), 'w');
    journal.append(commandJson(`r${this.#count++}`, 'p', new Date().toISOString()));
    journal.flush();
    journal.close();
    drain(this.sequencer);
    return this.read('checkpoint');
  }

  read(name: string): string {
    return fs.readFileSync(join(this.dir, 'log', name), 'utf8');
  }

  write(name: string, content: string): void {
    fs.writeFileSync(join(this.dir, 'log', name), content, { mode: 0o600 });
  }

  restart(): void {
    this.log.close();
    this.log = openLog(this.dir, [this.collector]);
  }

  /** Makes the end of the retiring keys be over. */
  timePasses(): void {
    this.log.close();
    this.write('log.key', this.read('log.key').replaceAll(/until \S+/g, 'until 2020-01-01T00:00:00.000Z'));
    this.log = openLog(this.dir, [this.collector]);
  }

  refusal(): unknown {
    try {
      openLog(this.dir).close();
    } catch (error) {
      return error;
    }
    return null;
  }

  changes(all = this.collector.leaves): Record<string, unknown>[] {
    const leaves = all.map(({ record }) => record as unknown as Record<string, unknown>);
    return leaves.filter(({ type }) => type === 'ledger.key.rotated');
  }
}

const opens = (note: string, ...vkeys: string[]): boolean =>
  vkeys.every((vkey) => openNote(note, [parseVerifierKey(vkey)]).verified.length === 1);

describe('rotation of the signing key', () => {
  it('in the overlap each key alone opens every checkpoint, and the change is a leaf with who and why', (context) => {
    const r = new Rotating(context);
    const before = r.grow();
    const old = r.sequencer.vkey;
    const change = r.sequencer.rotateKey(ANA, 30 * DAY_MS, 'yearly');
    const [fresh = ''] = change.after;
    assert.deepEqual(change, { before: [old], after: [fresh, old] });
    assert.equal(parseVerifierKey(fresh).name, parseVerifierKey(old).name);
    assert.ok(opens(r.read('checkpoint'), old, fresh));
    assert.ok(opens(r.grow(), old, fresh));
    assert.ok(opens(before, old));
    assert.equal(r.read('log.vkey'), `${fresh}\n${old}\n`);
    const [leaf] = r.changes();
    assert.deepEqual(
      [leaf?.actor, leaf?.reason, leaf?.before, leaf?.after],
      [ANA, 'yearly', [old], [fresh, old]],
    );
    for (const vkey of [old, fresh, r.read('log.vkey')]) {
      assert.deepEqual(verified(r.dir, vkey).findings, []);
    }
    assert.equal(fs.statSync(join(r.dir, 'log', 'log.key')).mode & 0o777, 0o600);
  });

  it('goes on through a restart; each leaf of a change is there once', (context) => {
    const r = new Rotating(context);
    r.grow();
    r.sequencer.rotateKey(ANA, DAY_MS, 'x');
    const { vkey } = r.sequencer;
    r.restart();
    assert.equal(r.sequencer.vkey, vkey);
    assert.ok(opens(r.grow(), ...vkey.split('\n')));
    assert.equal(r.changes().length, 1);
  });

  it('after the overlap the old key signs no more, is gone from the disk, and its end is a leaf', (context) => {
    const r = new Rotating(context);
    r.grow();
    const old = r.sequencer.vkey;
    const secret = r.read('log.key').trim();
    const [fresh = ''] = r.sequencer.rotateKey(ANA, DAY_MS, 'x').after;
    assert.ok(r.read('log.key').includes(secret));
    const inode = fs.openSync(join(r.dir, 'log', 'log.key'), 'r');
    r.timePasses();
    const note = r.grow();
    assert.ok(opens(note, fresh));
    assert.throws(() => opens(note, old));
    assert.equal(r.read('log.vkey'), `${fresh}\n`);
    for (const name of fs.readdirSync(join(r.dir, 'log'))) {
      const file = join(r.dir, 'log', name);
      if (fs.statSync(file).isFile()) assert.ok(!fs.readFileSync(file).includes(secret), name);
    }
    assert.ok(!fs.readFileSync(inode).includes(secret));
    fs.closeSync(inode);
    const last = r.changes().at(-1);
    assert.deepEqual(
      [last?.actor, last?.after],
      [{ kind: 'system', id: 'postern', name: 'postern' }, [fresh]],
    );
    assert.deepEqual(verified(r.dir, fresh).findings, []);
  });

  it('without an overlap the old key still signs the checkpoint that hands over, and none after', (context) => {
    const r = new Rotating(context);
    r.grow();
    const old = r.sequencer.vkey;
    const [fresh = ''] = r.sequencer.rotateKey(ANA, 0, 'lost').after;
    assert.ok(opens(r.read('checkpoint'), old, fresh));
    const next = r.grow();
    assert.ok(opens(next, fresh));
    assert.throws(() => opens(next, old));
  });

  it('a key is replaced again while the one before still retires', (context) => {
    const r = new Rotating(context);
    r.grow();
    const first = r.sequencer.vkey;
    r.sequencer.rotateKey(ANA, DAY_MS, 'one');
    const { after } = r.sequencer.rotateKey(ANA, DAY_MS, 'two');
    assert.equal(after.length, 3);
    assert.equal(after[2], first);
    assert.ok(opens(r.grow(), ...after));
  });

  it('the key goes only when the new one has signed: a crash right after the change loses nobody the log', (context) => {
    const r = new Rotating(context);
    const released = r.grow();
    const old = r.sequencer.vkey;
    r.log.close();
    // As a crash leaves it after log.key was written: neither leaf nor log.vkey nor checkpoint know of the new key.
    const fresh = generateSigner(r.sequencer.origin);
    r.write('log.key', `${fresh.exportPrivate()}\nuntil 2020-01-01T00:00:00Z ${r.read('log.key')}`);
    assert.equal(r.read('checkpoint'), released);
    r.log = openLog(r.dir, [r.collector]);
    assert.ok(opens(r.sequencer.checkpointNow(), old));
    assert.equal(r.changes(r.collector.released).length, 1);
    assert.ok(openCheckpoint(r.read('checkpoint'), fresh).size > 0);
    r.grow();
    assert.equal(r.read('log.vkey').trim().split('\n').length, 1);
    assert.equal(r.changes().length, 2);
  });
});

describe('no fork through a key', () => {
  it('a restored sequencer.db is refused: with the rotated key it would sign a tree that was never the log', (context) => {
    const r = new Rotating(context);
    r.grow();
    r.log.close();
    const backup = join(r.dir, 'backup');
    fs.cpSync(join(r.dir, 'log', 'sequencer.db'), backup);
    r.log = openLog(r.dir, [r.collector]);
    r.sequencer.rotateKey(ANA, DAY_MS, 'x');
    r.grow();
    r.log.close();
    const good = fs.readFileSync(join(r.dir, 'log', 'sequencer.db'));
    for (const suffix of ['-wal', '-shm'])
      fs.rmSync(join(r.dir, 'log', `sequencer.db${suffix}`), { force: true });
    fs.cpSync(backup, join(r.dir, 'log', 'sequencer.db'));
    const before = r.read('checkpoint');
    assert.match(String(r.refusal()), /knows nothing|contradicts itself/);
    assert.equal(r.read('checkpoint'), before);
    // The same with the key of that time beside it, and with the list of keys as well.
    const keys = [r.read('log.key'), r.read('log.vkey')] as const;
    r.write('log.key', keys[0].split('\n')[1]?.replace(/^until \S+ /, '') ?? '');
    assert.match(String(r.refusal()), /signing key|contradicts itself/);
    r.write('log.vkey', `${keys[1].split('\n')[1]}\n`);
    assert.match(String(r.refusal()), /contradicts itself/);
    assert.equal(r.read('checkpoint'), before);
    r.write('log.key', keys[0]);
    r.write('log.vkey', keys[1]);
    fs.writeFileSync(join(r.dir, 'log', 'sequencer.db'), good);
    r.log = openLog(r.dir, [r.collector]);
    r.grow();
  });

  it('another key of the same name, a key of another name, a retired key: each is refused', (context) => {
    const r = new Rotating(context);
    r.grow();
    const [fresh = ''] = r.sequencer.rotateKey(ANA, DAY_MS, 'x').after;
    r.log.close();
    const good = r.read('log.key');
    const retired = good.split('\n')[1]?.replace(/^until \S+ /, '') as string;
    const stranger = generateSigner(r.sequencer.origin).exportPrivate();
    const other = generateSigner('log.example/2').exportPrivate();
    for (const key of [stranger, other, retired]) {
      r.write('log.key', `${key}\n`);
      assert.match(String(r.refusal()), /is not .* which signed last/);
    }
    for (const text of [
      '',
      'x',
      `until never ${retired}`,
      `${stranger}\n${retired}`,
      `${stranger}\nuntil x ${retired}`,
      `${good}${other}`,
    ]) {
      r.write('log.key', text);
      const refusal = String(r.refusal());
      assert.match(refusal, /signing key|until TIME KEY|several logs/);
      assert.ok(!refusal.includes('PRIVATE'));
    }
    r.write('log.key', good);
    fs.chmodSync(join(r.dir, 'log', 'log.key'), 0o644);
    assert.match(String(r.refusal()), /can be read by others/);
    fs.chmodSync(join(r.dir, 'log', 'log.key'), 0o600);
    r.log = openLog(r.dir, [r.collector]);
    assert.ok(opens(r.grow(), fresh));
  });
});

describe('a signing key from outside', () => {
  const open = (dir: string, logKey: string): { sequencer: Sequencer; close(): void } => {
    const payloads = PayloadStore.open(join(dir, 'payloads.db'), KEYS);
    try {
      const sequencer = Sequencer.open({ dir, payloads, logKey });
      return {
        sequencer,
        close: () => {
          sequencer.close();
          payloads.close();
        },
      };
    } catch (error) {
      payloads.close();
      throw error;
    }
  };

  it('is never written to the data directory; it is replaced by giving the new one with the old beside it', (context) => {
    const dir = temporaryDirectory();
    context.after(() => fs.rmSync(dir, { recursive: true }));
    const [a, b] = [generateSigner('bank.example/log'), generateSigner('bank.example/log')];
    const one = open(dir, `${a.exportPrivate()}\n`);
    assert.equal(one.sequencer.origin, 'bank.example/log');
    assert.throws(() => one.sequencer.rotateKey(ANA, 0, 'x'), { code: 'POSTERN_CONFLICT' });
    one.close();
    assert.ok(!fs.existsSync(join(dir, 'log', 'log.key')));
    assert.throws(() => open(dir, b.exportPrivate()), /which signed last/);
    const both = `${b.exportPrivate()}\nuntil 2999-01-01T00:00:00Z ${a.exportPrivate()}\n`;
    const two = open(dir, both);
    const note = two.sequencer.checkpointNow();
    assert.equal(openNote(note, [a, b]).verified.length, 2);
    two.close();
    assert.equal(logSigners(join(dir, 'log'), both).length, 2);
    const three = open(dir, b.exportPrivate());
    const last = three.sequencer.checkpointNow();
    assert.deepEqual(openNote(last, [b]).unknown, []);
    three.close();
    assert.deepEqual(
      parseVerifierKeys(fs.readFileSync(join(dir, 'log', 'log.vkey'), 'utf8')).map(({ keyId }) => keyId),
      [b.keyId],
    );
    assert.throws(() => open(dir, a.exportPrivate()), /which signed last/);
  });
});
