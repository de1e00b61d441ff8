import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { openCheckpoint } from '../ledger/checkpoint.ts';
import { cosignaturesOf, formatWitnessKey, generateWitnessKey } from '../ledger/cosignature.ts';
import { releasedCheckpoint } from '../ledger/cosigned.ts';
import { JournalWriter } from '../ledger/journal.ts';
import type { PrivateKey } from '../ledger/keys.ts';
import { parseVerifierKeys } from '../ledger/note.ts';
import { commandJson, drain, openLog, temporaryDirectory } from '../ledger/test-log.ts';
import { WitnessLogs } from '../ledger/witness-logs.ts';
import { witnessServer } from '../ledger/witness-server.ts';
import { Witnessing, type WitnessStatus } from './witnessing.ts';

/** A witness that can be stopped, set back and made to lie. */
class Witness {
  readonly dir: string = temporaryDirectory();
  readonly key: PrivateKey;
  readonly #vkey: string;
  #server: http.Server | null = null;
  #port = 0;

  constructor(name: string, vkey: string) {
    this.key = generateWitnessKey(name);
    this.#vkey = vkey;
  }

  get config() {
    return { name: this.key.name, url: `http://127.0.0.1:${this.#port}`, vkey: formatWitnessKey(this.key) };
  }

  async start(server?: http.Server): Promise<void> {
    const logs = new WitnessLogs(this.dir, this.key, parseVerifierKeys(this.#vkey));
    this.#server = server ?? witnessServer({ logs, say: () => undefined });
    await new Promise<void>((resolve) => this.#server?.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => this.#server?.close(resolve));
  }
}

interface Scene {
  readonly dir: string;
  readonly witnesses: readonly [Witness, Witness];
  readonly said: string[];
  grow(count: number): string;
  open(options?: { policy?: string | null; intervalMs?: number }): Witnessing;
}

async function scene(context: TestContext): Promise<Scene> {
  const dir = temporaryDirectory();
  const log = openLog(dir);
  drain(log.sequencer);
  const witnesses = [
    new Witness('audit.example/w', log.sequencer.vkey),
    new Witness('regulator.example/w', log.sequencer.vkey),
  ] as const;
  for (const witness of witnesses) await witness.start();
  const said: string[] = [];
  const opened: Witnessing[] = [];
  let count = 0;
  context.after(async () => {
    for (const one of opened) await one.close();
    for (const witness of witnesses) {
      await witness.stop();
      fs.rmSync(witness.dir, { recursive: true });
    }
    log.close();
    fs.rmSync(dir, { recursive: true });
  });
  return {
    dir,
    witnesses,
    said,
    grow: (more) => {
      const journal = JournalWriter.create(join(dir, 'journal'), 'w');
      for (let i = 0; i < more; i++)
        journal.append(commandJson(`r${count++}`, 'p', new Date().toISOString()));
      journal.flush();
      journal.close();
      drain(log.sequencer);
      return fs.readFileSync(join(dir, 'log', 'checkpoint'), 'utf8');
    },
    open: ({ policy = null, intervalMs = 1 } = {}) => {
      const witnessing = Witnessing.open({
        dataDir: dir,
        witnesses: witnesses.map(({ config }) => config),
        policy,
        intervalMs,
        log: () => ({ checkpoint: log.sequencer.checkpointNow(), vkey: log.sequencer.vkey }),
        say: (message) => said.push(message),
      });
      opened.push(witnessing);
      return witnessing;
    },
  };
}

const WAIT_MS = 20_000;
const statesOf = (witnessing: Witnessing): string[] =>
  witnessing.status().witnesses.map(({ state }) => state);

const errorsOf = (witnessing: Witnessing): string =>
  witnessing
    .status()
    .witnesses.map(({ error }) => error)
    .join();

async function until(what: () => boolean, turn: () => Promise<unknown>): Promise<void> {
  for (let i = 0; i < 400 && !what(); i++) {
    await turn();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.ok(what());
}

describe('witnessing', () => {
  it('each checkpoint gets the cosignature of every witness, beside the file of the sequencer', async (context) => {
    const s = await scene(context);
    const witnessing = s.open();
    assert.deepEqual(statesOf(witnessing), ['waiting', 'waiting']);
    for (const size of [2, 300, 301]) {
      const plain = s.grow(size - witnessing.status().witnesses.reduce((_, { size: has }) => has ?? 1, 1));
      const cosigned = await witnessing.freshen(WAIT_MS);
      assert.equal(cosigned?.size, size);
      assert.equal(fs.readFileSync(join(s.dir, 'log', 'checkpoint'), 'utf8'), plain);
      const released = releasedCheckpoint(join(s.dir, 'log'));
      assert.ok(released.startsWith(plain));
      assert.equal(
        cosignaturesOf(
          released,
          s.witnesses.map(({ key }) => key),
        ).length,
        2,
      );
    }
    assert.deepEqual(statesOf(witnessing), ['ok', 'ok']);
    assert.deepEqual(witnessing.warnings(), []);
    const before = releasedCheckpoint(join(s.dir, 'log'));
    const plain = s.grow(1);
    assert.equal(releasedCheckpoint(join(s.dir, 'log')), plain);
    assert.notEqual(before, plain);
  });

  it('a witness that is away is seen, and when it is back the gap stays in the record', async (context) => {
    const s = await scene(context);
    const witnessing = s.open();
    s.grow(5);
    await witnessing.freshen(WAIT_MS);
    await s.witnesses[0].stop();
    s.grow(5);
    await witnessing.freshen(WAIT_MS);
    assert.deepEqual(statesOf(witnessing), ['unreachable', 'ok']);
    assert.match(witnessing.warnings().join(), /audit\.example\/w is unreachable/);
    assert.equal(witnessing.status().cosigned?.size, 11);
    await s.witnesses[0].start();
    s.grow(5);
    await until(
      () => statesOf(witnessing)[0] === 'ok',
      () => witnessing.freshen(WAIT_MS),
    );
    const [audit, regulator] = witnessing.status().witnesses as [WitnessStatus, WitnessStatus];
    assert.deepEqual(
      audit.periods.map(({ fromSize, toSize }) => [fromSize, toSize]),
      [
        [16, 16],
        [6, 6],
      ],
    );
    assert.deepEqual(
      regulator.periods.map(({ fromSize, toSize }) => [fromSize, toSize]),
      [[6, 16]],
    );
    assert.deepEqual(witnessing.warnings(), []);
  });

  it('goes on where it was after a restart, also of a witness that has forgotten everything', async (context) => {
    const s = await scene(context);
    const first = s.open();
    s.grow(300);
    await first.freshen(WAIT_MS);
    await first.close();
    for (const name of fs.readdirSync(s.witnesses[1].dir)) fs.rmSync(join(s.witnesses[1].dir, name));
    await s.witnesses[1].stop();
    await s.witnesses[1].start();
    const second = s.open();
    assert.equal(second.status().cosigned?.size, 301);
    s.grow(10);
    assert.equal((await second.freshen(WAIT_MS))?.size, 311);
    assert.deepEqual(statesOf(second), ['ok', 'ok']);
  });

  it('a log that was set back is refused by its witness, and the cosigned checkpoint stays the newest', async (context) => {
    const s = await scene(context);
    const witnessing = s.open();
    s.grow(50);
    await witnessing.freshen(WAIT_MS);
    const newest = releasedCheckpoint(join(s.dir, 'log'));
    const small = await scene(context);
    // The same witness keys a smaller log of the same name: as a data directory restored from a backup would.
    await witnessing.close();
    const dir = temporaryDirectory();
    context.after(() => fs.rmSync(dir, { recursive: true }));
    fs.cpSync(join(s.dir, 'log', 'log.key'), join(dir, 'log', 'log.key'), { recursive: true });
    const log = openLog(dir);
    context.after(() => log.close());
    const restored = Witnessing.open({
      dataDir: dir,
      witnesses: s.witnesses.map(({ config }) => config),
      policy: null,
      intervalMs: 1,
      log: () => ({ checkpoint: log.sequencer.checkpointNow(), vkey: log.sequencer.vkey }),
      say: () => undefined,
    });
    assert.equal(await restored.freshen(WAIT_MS), null);
    assert.deepEqual(statesOf(restored), ['refuses', 'refuses']);
    assert.match(errorsOf(restored), /51 leaves of this log, which has 1 here: the log was set back/);
    await restored.close();
    assert.equal(releasedCheckpoint(join(s.dir, 'log')), newest);
    assert.equal(small.said.length, 0);
  });

  it('a lying witness is refused and named, and what it says is not published', async (context) => {
    const s = await scene(context);
    const [liar] = s.witnesses;
    await liar.stop();
    const stranger = generateWitnessKey(liar.key.name);
    const strangers = new WitnessLogs(
      temporaryDirectoryOf(context),
      stranger,
      parseVerifierKeys(fs.readFileSync(join(s.dir, 'log', 'log.vkey'), 'utf8')),
    );
    await liar.start(witnessServer({ logs: strangers, say: () => undefined }));
    const witnessing = s.open();
    s.grow(5);
    const cosigned = await witnessing.freshen(WAIT_MS);
    assert.deepEqual(statesOf(witnessing), ['refuses', 'ok']);
    assert.match(errorsOf(witnessing), /not valid/);
    assert.match(witnessing.warnings().join(), /refuses to cosign/);
    assert.ok(!cosigned?.note.includes(liar.key.name));
  });

  it('a witness that never answers delays neither the other nor a shutdown', async (context) => {
    const s = await scene(context);
    await s.witnesses[0].stop();
    await s.witnesses[0].start(http.createServer(() => undefined));
    const witnessing = s.open();
    s.grow(5);
    witnessing.submit();
    await until(
      () => witnessing.status().cosigned?.size === 6,
      () => Promise.resolve(),
    );
    s.grow(5);
    await until(
      () => witnessing.status().cosigned?.size === 11,
      async () => witnessing.submit(),
    );
    await witnessing.close();
  });

  it('with a policy only what meets it counts as cosigned', async (context) => {
    const s = await scene(context);
    const policy = [
      `log ${fs.readFileSync(join(s.dir, 'log', 'log.vkey'), 'utf8').trim()}`,
      ...s.witnesses.map(({ config }, i) => `witness w${i} ${config.vkey} ${config.url}`),
      'group both all w0 w1',
      'quorum both\n',
    ].join('\n');
    await s.witnesses[1].stop();
    const witnessing = s.open({ policy });
    s.grow(5);
    assert.equal(await witnessing.freshen(WAIT_MS), null);
    await s.witnesses[1].start();
    await until(
      () => witnessing.status().cosigned !== null,
      () => witnessing.freshen(WAIT_MS),
    );
    assert.equal(witnessing.status().policy?.met, true);
    assert.equal(witnessing.status().cosigned?.size, 6);
    const { note = '' } = witnessing.status().cosigned ?? {};
    assert.equal(
      openCheckpoint(note, parseVerifierKeys(fs.readFileSync(join(s.dir, 'log', 'log.vkey'), 'utf8'))).size,
      6,
    );
  });

  it('refuses an address that is none, a key that is none, and two of one name or key', async (context) => {
    const s = await scene(context);
    const [a, b] = s.witnesses.map(({ config }) => config) as [Witness['config'], Witness['config']];
    const open = (...witnesses: Witness['config'][]): void => {
      const options = { dataDir: s.dir, witnesses, policy: null, intervalMs: 1, say: () => undefined };
      Witnessing.open({ ...options, log: () => ({ checkpoint: '', vkey: '' }) });
    };
    for (const url of [
      '',
      'witness.example',
      'file:///etc/passwd',
      'http://u:p@w.example',
      'http://w.example/?a=b',
    ]) {
      assert.throws(() => open({ ...a, url }), { code: 'POSTERN_INVALID' }, url);
    }
    assert.throws(() => open({ ...a, vkey: 'x' }), { code: 'POSTERN_INVALID' });
    assert.throws(() => open(a, { ...b, name: a.name }), /same name/);
    assert.throws(() => open(a, { ...a, name: 'b' }), /same key/);
  });

  it('a fault of its own is said and stops nothing', async (context) => {
    const s = await scene(context);
    const witnessing = s.open();
    s.grow(600);
    fs.renameSync(join(s.dir, 'log', 'tile'), join(s.dir, 'tile'));
    await witnessing.freshen(WAIT_MS);
    s.grow(0);
    fs.renameSync(join(s.dir, 'tile'), join(s.dir, 'log', 'tile'));
    await until(
      () => statesOf(witnessing).join() === 'ok,ok',
      () => witnessing.freshen(WAIT_MS),
    );
  });
});

function temporaryDirectoryOf(context: TestContext): string {
  const dir = temporaryDirectory();
  context.after(() => fs.rmSync(dir, { recursive: true }));
  return dir;
}
