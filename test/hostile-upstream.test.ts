/** A resource that lies: the upstream secret stays here, the session ends with a clear error, and nobody else notices. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Back, cstring, int16, int32, message, startup } from '../src/protocols/postgres/wire.ts';
import { Bank, type Credential, untilClosed } from './support/bank.ts';
import { auth, HostileServer, type Peer } from './support/hostile-server.ts';
import { until, workersOf } from './support/processes.ts';
import { generator, mutated } from './support/random-script.ts';
import { brief, type Door, say, WireClient } from './support/wire-client.ts';

const SEED = Number(process.env.HOSTILE_SEED ?? (process.env.CI ? 1 : Date.now() % 1_000_000));
const PASSWORD = 'upstream-secret-never-to-be-seen';
const UPSTREAM_SECONDS = 2;
const Z = message(Back.readyForQuery, Buffer.from('I'));
const NOTICE = message(
  Back.noticeResponse,
  ...['SNOTICE', 'VNOTICE', 'C00000', `M${'x'.repeat(500)}`, ''].map(cstring),
);

describe('a hostile resource', () => {
  let bank: Bank;
  let who: Credential;
  let door: Door;
  let server: HostileServer;
  let bystander: WireClient;
  let directory: string;

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'postern-upstream-'));
    const config = join(directory, 'postern.json');
    writeFileSync(config, JSON.stringify({ limits: { upstreamSeconds: UPSTREAM_SECONDS } }));
    bank = await Bank.start({ args: ['--config', config, '--workers', '1'] });
    server = await HostileServer.start(PASSWORD);
    const at = { host: '127.0.0.1', port: server.port, upstream: { user: 'app', password: PASSWORD } };
    await bank.resource('liar', { ...at, tls: { mode: 'disable' } });
    await bank.resource('tls-liar', { ...at, tls: { mode: 'require' } });
    await bank.principal('batch');
    for (const resource of ['liar', 'tls-liar', 'ledger-db'])
      await bank.grant('batch', 'select on *.*; copy on *.*', { resource });
    who = await bank.credential('batch');
    door = { ...bank.postern.postgres, ca: bank.postern.caPem };
    bystander = await WireClient.login(door, who, 'ledger-db');
  });
  after(async () => {
    await bystander?.end();
    await server?.stop();
    await bank?.stop();
    rmSync(directory, { recursive: true, force: true });
  });
  afterEach(async () => {
    assert.deepEqual(await bystander.ask([say.query('select 1')]), ['T', 'D', 'C SELECT 1', 'Z I']);
    const fresh = await WireClient.login(door, who, 'ledger-db');
    await fresh.end();
    const { stdout, stderr } = bank.postern.running;
    assert.doesNotMatch(
      stderr,
      /a fault of the gateway|postern: session|postern: worker|could not be set up|ended with/,
    );
    assert.ok(!`${stdout}${stderr}`.includes(PASSWORD), 'the secret is in no log');
    assert.ok(!Buffer.concat(server.heard).includes(PASSWORD), 'the secret is not sent');
  });

  const refused = async (
    login: ((peer: Peer) => Promise<void>) | undefined,
    pattern: RegExp,
    database = 'liar',
  ) => {
    server.behaviour = login === undefined ? {} : { login };
    const started = Date.now();
    await assert.rejects(WireClient.login(door, who, database), (error: Error) => {
      assert.match(error.message, /^FATAL 08006 postern: /);
      assert.match(error.message, pattern);
      assert.ok(!error.message.includes(PASSWORD));
      return true;
    });
    return Date.now() - started;
  };

  describe('while logging in', () => {
    it('gets no password in the clear, no MD5 of it, and no other kind of answer', async () => {
      for (const kind of [2, 3, 5, 6, 7, 8, 9, 99, -1]) {
        await refused(
          async ({ socket }) => void socket.write(auth(kind, int32(0))),
          /authentication method other than SCRAM/,
        );
      }
      await refused(
        async ({ socket }) => void socket.write(auth(10, Buffer.from('PLAIN\0\0'))),
        /does not offer SCRAM-SHA-256/,
      );
    });

    it('is refused when it does not prove that it knows the credential', async () => {
      const unproven = /did not prove that it knows the credential/;
      await refused(async (peer) => peer.ready(), unproven);
      await refused(async (peer) => {
        await peer.scram();
        peer.ready();
      }, unproven);
      for (const signature of ['v=', `v=${Buffer.alloc(32).toString('base64')}`, 'e=other-error', 'x']) {
        await refused(async (peer) => {
          await peer.scram();
          peer.socket.write(auth(12, Buffer.from(signature)));
          peer.ready();
        }, unproven);
      }
      await refused(async ({ socket }) => void socket.write(auth(12, Buffer.from('v='))), unproven);
    });

    it('is refused for a challenge that would weaken or stall the exchange', async () => {
      for (const [first, pattern] of [
        [(honest: string) => honest.replace('i=4096', 'i=1'), /iteration count of 1$/],
        [(honest: string) => honest.replace('i=4096', 'i=2000000000'), /iteration count of 2000000000/],
        [(honest: string) => honest.replace('i=4096', 'i=0'), /malformed SCRAM challenge/],
        [(honest: string) => honest.replace('r=', 'r=other'), /malformed SCRAM challenge/],
        [(honest: string) => honest.replace(/^r=([^,]{24})[^,]*/, 'r=$1'), /malformed SCRAM challenge/],
        [() => '', /malformed SCRAM challenge/],
      ] as const) {
        await refused(async (peer) => void (await peer.scram(first)), pattern);
      }
    });

    it('is refused for messages that lie about their length, come out of order or are none', async () => {
      for (const bytes of [
        Buffer.concat([Buffer.from('R'), int32(-1)]),
        Buffer.concat([Buffer.from('R'), int32(100 << 20)]),
        Buffer.concat([Buffer.from('R'), int32(3)]),
        Buffer.concat([Buffer.from('R'), int32(4)]),
        Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'),
        Z,
        message(Back.dataRow, int16(0)),
        message(Back.parameterStatus, cstring('a'), cstring('b')),
        message(Back.errorResponse, Buffer.from('Mno end')),
        message(Back.errorResponse),
      ]) {
        await refused(async ({ socket }) => void socket.write(bytes), /authenticate failed: /);
      }
      await refused(async ({ socket }) => void socket.end(), /the server closed the connection/);
      await refused(
        async ({ socket }) => void socket.end(Buffer.from([0x52, 0, 0])),
        /the server closed the connection/,
      );
    });

    it('is given up when it is silent or never comes to an end', async () => {
      const limit = UPSTREAM_SECONDS * 1000 + 1500;
      assert.ok((await refused(async () => undefined, /no answer in time/)) < limit);
      const endless = async ({ socket }: Peer): Promise<void> => {
        while (!socket.destroyed) {
          socket.write(Buffer.concat(Array.from({ length: 100 }, () => NOTICE)));
          await sleep(1);
        }
      };
      assert.ok((await refused(endless, /no answer in time/)) < limit);
      const after = async (peer: Peer): Promise<void> => {
        const { signature } = await peer.scram();
        peer.socket.write(Buffer.concat([auth(12, Buffer.from(`v=${signature}`)), auth(0)]));
        await endless(peer);
      };
      assert.ok((await refused(after, /no answer in time/)) < limit);
    });

    it('fills no memory while it makes the client prove itself at length, nor with settings without end', async () => {
      const [pid = 0] = workersOf(bank.postern.pid);
      const memory = (): number =>
        Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
      const before = memory();
      const flood = async (socket: Peer['socket'], bytes: () => Buffer): Promise<void> => {
        let total = 0;
        while (!socket.destroyed && total < 512 << 20) {
          const some = bytes();
          total += some.length;
          if (socket.write(some)) continue;
          const gone = new AbortController();
          await Promise.race([
            once(socket, 'drain', gone).catch(() => undefined),
            once(socket, 'close', gone).catch(() => undefined),
          ]);
          gone.abort();
        }
      };
      const notices = Buffer.concat(Array.from({ length: 200 }, () => NOTICE));
      const proving = async (peer: Peer): Promise<void> => {
        peer.socket.write(auth(10, Buffer.from('SCRAM-SHA-256\0\0')));
        const nonce = (await peer.message()).bytes.toString('utf8').split('r=')[1] ?? '';
        peer.socket.write(auth(11, Buffer.from(`r=${nonce}x,s=AAAA,i=1000000`)));
        await flood(peer.socket, () => notices);
      };
      server.behaviour = { login: proving };
      let most = 0;
      const watch = setInterval(() => {
        most = Math.max(most, memory() - before);
      }, 20);
      await refused(proving, /no answer in time|closed/);
      let n = 0;
      await refused(async (peer) => {
        const { signature } = await peer.scram();
        peer.socket.write(Buffer.concat([auth(12, Buffer.from(`v=${signature}`)), auth(0)]));
        await flood(peer.socket, () =>
          Buffer.concat(
            Array.from({ length: 50 }, () =>
              message(Back.parameterStatus, cstring(`p.${n++}`), cstring('x'.repeat(8000))),
            ),
          ),
        );
      }, /no answer in time|closed/);
      clearInterval(watch);
      assert.ok(most < 200, `${most.toFixed(0)} MiB more`);
    });

    it('is refused without encryption, and for data in front of it', async () => {
      for (const [encryption, pattern] of [
        [Buffer.from('N'), /does not offer TLS/],
        [Buffer.from('E\0\0\0'), /sent data before encryption/],
        [Buffer.from('S\x16\x03\x01'), /sent data before encryption/],
        [Buffer.from('x'), /does not offer TLS/],
      ] as const) {
        server.behaviour = { encryption };
        await assert.rejects(WireClient.login(door, who, 'tls-liar'), pattern);
      }
    });

    it('is refused when it insists on an encoding or string rules under which texts cannot be read', async () => {
      for (const settings of [{ client_encoding: 'SJIS' }, { standard_conforming_strings: 'off' }]) {
        await refused(async (peer) => {
          const { signature } = await peer.scram();
          peer.socket.write(auth(12, Buffer.from(`v=${signature}`)));
          peer.ready(settings);
        }, /the resource insists on/);
      }
    });
  });

  it('is refused when the names of its relations never come to an end', async () => {
    const row = message(
      Back.dataRow,
      int16(3),
      ...['table', 'public', 'x'.repeat(60_000)].flatMap((text) => [int32(text.length), Buffer.from(text)]),
    );
    const names = async ({ socket }: Peer): Promise<void> => {
      while (!socket.destroyed) {
        if (!socket.write(row))
          await new Promise((resolve) => socket.once('drain', resolve).once('close', resolve));
      }
    };
    server.behaviour = { names };
    await bank.resource('endless', {
      host: '127.0.0.1',
      port: server.port,
      database: 'endless',
      tls: { mode: 'disable' },
      upstream: { user: 'app', password: PASSWORD },
    });
    await bank.grant('batch', 'select on *.*', { resource: 'endless' });
    await assert.rejects(
      WireClient.login(door, await bank.credential('batch'), 'endless'),
      /an answer of over|no answer in time/,
    );
  });

  it('does not bring the gateway down with any bytes', async (t) => {
    t.diagnostic(`seed ${SEED}`);
    const random = generator(SEED);
    const honest = Buffer.concat([
      message(Back.rowDescription, int16(1), cstring('a'), Buffer.alloc(18)),
      message(Back.dataRow, int16(1), int32(1), Buffer.from('1')),
      message(Back.parameterStatus, cstring('search_path'), cstring('public')),
      message(Back.commandComplete, cstring('SELECT 1')),
      Z,
      message(Back.errorResponse, ...['SERROR', 'VERROR', 'C42601', 'Mx', ''].map(cstring)),
      message(Back.copyInResponse, Buffer.from([0, 0, 1, 0, 0])),
      Z,
    ]);
    for (let round = 0; round < 60; round++) {
      server.behaviour = { session: ({ socket }) => void socket.end(mutated(honest, random)) };
      const client = await WireClient.login(door, who, 'liar');
      client.send(
        say.query('select 1'),
        say.parse('', 'select 1'),
        say.bind('', ''),
        say.execute(''),
        say.sync(),
      );
      await client.until(() => client.closed, 5000);
    }
  });

  it('gets one cancel request at a time, however many the client sends', async () => {
    const cancels: Peer['socket'][] = [];
    server.behaviour = { cancel: (socket) => void cancels.push(socket.pause()), session: () => undefined };
    const client = await WireClient.open(door);
    client.send(
      startup([
        ['user', who.username],
        ['database', 'liar'],
      ]),
    );
    await client.prove(who.password);
    await client.until((heard) => heard.at(-1)?.type === 'Z');
    const key = client.heard.find(({ type }) => type === 'K')?.bytes.subarray(5) ?? Buffer.alloc(0);
    client.send(say.query('select 1'));
    await Promise.all(
      Array.from({ length: 200 }, async () => {
        const socket = await bank.raw();
        socket.end(Buffer.concat([int32(8 + key.length), int32(80877102), key]));
        await untilClosed(socket, 5000);
      }),
    );
    // Each that ends is followed by one more for all that came meanwhile.
    await until(async () => cancels.length > 0, 'one has come', 3000);
    for (let i = 0; i < cancels.length; i++) {
      cancels[i]?.destroy();
      await sleep(100);
    }
    assert.ok(cancels.length < 20, `${cancels.length} for 200`);
    client.socket.destroy();
  });

  describe('in a session', () => {
    /** A session in which the resource answers `select 1` with `bytes`; gives what the client heard until it was closed. */
    const answered = async (...bytes: Buffer[]): Promise<{ heard: string[]; message: string }> => {
      server.behaviour = { session: ({ socket }) => void socket.write(Buffer.concat(bytes)) };
      const client = await WireClient.login(door, who, 'liar');
      client.send(say.query('select 1'));
      await client.until(() => client.closed, 5000);
      return { heard: client.heard.map(brief), message: client.error.get('M') ?? '' };
    };

    it('ends the session, with a clear error, for messages that lie about their length or have no place', async () => {
      for (const bytes of [
        Buffer.concat([Buffer.from('D'), int32(3)]),
        Buffer.concat([Buffer.from('D'), int32(0)]),
        Buffer.concat([Buffer.from('D'), int32(-1)]),
        Buffer.concat([Buffer.from('T'), int32(100 << 20)]),
        Buffer.concat([Buffer.from('E'), int32(100 << 20)]),
        Buffer.concat([Buffer.from('S'), int32(-5)]),
        Buffer.concat([Buffer.from('x'), int32(8)]),
        Buffer.alloc(5),
        auth(0),
        auth(3),
        message(Back.backendKeyData, int32(1), int32(2)),
        message(Back.copyBothResponse, Buffer.alloc(3)),
        message(Back.negotiateProtocolVersion, int32(0), int32(0)),
        message(Back.parseComplete),
        message(Back.bindComplete),
        message(Back.closeComplete),
        Buffer.concat([
          message(Back.commandComplete, cstring('SELECT 0')),
          Z,
          message(Back.commandComplete, cstring('SELECT 0')),
        ]),
        message(Back.readyForQuery, Buffer.from('X')),
        message(Back.readyForQuery),
        message(Back.errorResponse, Buffer.from('Mno end')),
        message(Back.parameterStatus, cstring('client_encoding'), cstring('SJIS')),
        message(Back.parameterStatus, cstring('standard_conforming_strings'), cstring('off')),
      ]) {
        const { heard, message } = await answered(bytes);
        assert.equal(heard.at(-1), 'E 08006', bytes.subarray(0, 60).toString('latin1'));
        assert.match(message, /^postern: the resource (sent|closed|set)/);
      }
    });

    it('tells the client when the resource is gone, and cuts it off where a message was left unfinished', async () => {
      server.behaviour = { session: ({ socket }) => void socket.end() };
      const client = await WireClient.login(door, who, 'liar');
      client.send(say.query('select 1'));
      await client.until(() => client.closed, 5000);
      assert.deepEqual(client.heard.map(brief), ['E 08006']);
      server.behaviour = {
        session: ({ socket }) =>
          void socket.end(Buffer.concat([Buffer.from('D'), int32(1000), Buffer.alloc(500)])),
      };
      const cut = await WireClient.login(door, who, 'liar');
      cut.send(say.query('select 1'));
      await cut.until(() => cut.closed, 5000);
      assert.deepEqual(cut.heard, []);
    });

    it('holds no more of an endless answer than its buffers, while the client does not read', async () => {
      const [worker = ''] = readFileSync(
        `/proc/${bank.postern.pid}/task/${bank.postern.pid}/children`,
        'utf8',
      ).split(' ');
      const memory = (): number =>
        Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${worker}/status`, 'utf8'))?.[1]) / 1024;
      let sent = 0;
      const endless = Buffer.concat(Array.from({ length: 200 }, () => NOTICE));
      server.behaviour = {
        session: async ({ socket }) => {
          while (!socket.destroyed && sent < 512 << 20) {
            sent += endless.length;
            if (!socket.write(endless))
              await new Promise((resolve) => socket.once('drain', resolve).once('close', resolve));
          }
        },
      };
      const before = memory();
      const client = await WireClient.login(door, who, 'liar');
      client.socket.pause();
      client.send(say.query('select 1'));
      let seen = -1;
      while (seen !== sent) {
        seen = sent;
        await sleep(1000);
      }
      assert.ok(sent < 256 << 20, `the resource was read on: ${sent >> 20} MiB`);
      assert.ok(memory() - before < 150, `the worker grew by ${memory() - before} MiB`);
      client.socket.destroy();
    });

    it('holds no more of an endless request than its buffers, while the resource does not read', async () => {
      const [worker = ''] = readFileSync(
        `/proc/${bank.postern.pid}/task/${bank.postern.pid}/children`,
        'utf8',
      ).split(' ');
      const memory = (): number =>
        Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${worker}/status`, 'utf8'))?.[1]) / 1024;
      server.behaviour = {
        session: ({ socket }) => {
          socket.pause();
          socket.write(message(Back.copyInResponse, Buffer.from([0, 0, 1, 0, 0])));
        },
      };
      await bank.grant('batch', 'insert, copy on *.*', { resource: 'liar' });
      const before = memory();
      const client = await WireClient.login(door, await bank.credential('batch'), 'liar');
      client.send(say.query('copy (select 1) to stdout'));
      await client.until((heard) => heard.length === 1);
      const data = say.copyData(Buffer.alloc(64 * 1024));
      let sent = 0;
      let stalled = false;
      while (!stalled && sent < 256 << 20) {
        sent += data.length;
        if (client.socket.write(data)) continue;
        const taken = new Promise((resolve) => client.socket.once('drain', () => resolve(true)));
        stalled = (await Promise.race([taken, sleep(1000)])) !== true;
      }
      assert.ok(sent < 256 << 20, `the client was read on: ${sent >> 20} MiB`);
      assert.ok(memory() - before < 150, `the worker grew by ${memory() - before} MiB`);
      client.socket.destroy();
    });

    it('ends a session on a resource that fell silent when its grant ends', async () => {
      server.behaviour = {};
      const grant = await bank.grant('batch', 'select on *.*', { resource: 'liar' });
      const client = await WireClient.login(door, await bank.credential('batch', grant), 'liar');
      client.send(say.query('select 1'));
      await sleep(100);
      await bank.postern.call('POST', `/v1/grants/${grant}/revoke`, { reason: 'enough' });
      await client.until(() => client.closed, 2000);
      assert.equal(client.error.get('C'), '57P01');
    });
  });
});
