import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { Activity } from '../activity/activity.ts';
import { findLeaf } from '../activity/find-leaf.ts';
import { LedgerService } from '../activity/ledger-service.ts';
import { uuidv7 } from '../core/ids.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import { openCheckpoint } from '../ledger/checkpoint.ts';
import { JournalWriter } from '../ledger/journal.ts';
import { parseVerifierKey } from '../ledger/note.ts';
import { parseTlogProof, rootFromTiles, verifyConsistency, verifyInclusion } from '../ledger/proof.ts';
import { PublishedLog } from '../ledger/published-log.ts';
import { decodeBundle, entriesPath, tilePath } from '../ledger/tiles.ts';
import { leafHash, Tree } from '../ledger/tree.ts';
import { Keyring } from '../vault/keyring.ts';
import { type Answer, type TestApi, testApi } from './api.fixture.ts';

interface Served extends TestApi {
  readonly journal: JournalWriter;
  readonly ledger: LedgerService;
}

/** The API over a log of 600 commands and outcomes of two principals, and a few leaves of its own. */
async function served(context: TestContext): Promise<Served> {
  const dataDir = mkdtempSync(join(tmpdir(), 'postern-served-'));
  context.after(() => rmSync(dataDir, { recursive: true, force: true }));
  const keyring = await Keyring.open({ dataDir });
  const { keys } = keyring;
  const sink = JournalWriter.create(join(dataDir, 'journal'), 'control');
  const ledger = await LedgerService.start({ dataDir, keys });
  const activity = Activity.open({ dataDir, keys });
  const log = new PublishedLog(join(dataDir, 'log'));
  const api = await testApi(
    context,
    {
      ledger,
      activity,
      log,
      findLeaf: (id) => findLeaf(join(dataDir, 'index.db'), id, (from, to) => log.leaves(from, to)),
    },
    { dataDir, keyring, sink },
  );
  context.after(async () => {
    await activity.close();
    await ledger.close();
    sink.close();
  });
  return { ...api, journal: sink, ledger };
}

/** Writes commands, each with its outcome; gives the ids of both. */
function commands(sink: JournalWriter, count: number, principal: { id: string; name: string }): string[][] {
  const ids = Array.from({ length: count }, () => {
    const [intent, outcome] = [uuidv7(), uuidv7()];
    const base = { time: rfc3339(nowMicros()), actor: { kind: 'principal', ...principal }, principal };
    sink.append(JSON.stringify({ id: intent, type: 'command.intent', ...base, verbs: ['select'] }));
    sink.append(JSON.stringify({ id: outcome, type: 'command.outcome', ...base, intent, status: 'ok' }));
    return [intent, outcome];
  });
  sink.flush();
  return ids;
}

/** A path as it is, without a client that tidies it up. */
function raw(api: TestApi, path: string, headers: Record<string, string> = {}): Promise<Answer> {
  const port = (api.app.server.address() as { port: number }).port;
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, headers, ca: api.deps.tls.caPem, agent: false });
    sent.on('error', reject);
    sent.on('response', (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => {
        const bytes = Buffer.concat(chunks);
        const { statusCode: status = 0, headers } = answer;
        resolve({ status, headers, text: bytes.toString(), bytes, body: {} });
      });
    });
    sent.end();
  });
}

test('a stranger without a token can check the tree: checkpoint and hash tiles, as tlog-tiles has them', async (context) => {
  const api = await served(context);
  commands(api.journal, 300, { id: 'p1', name: 'one' });
  await api.ledger.flush();
  const checkpoint = await raw(api, '/log/checkpoint');
  assert.deepEqual(
    [checkpoint.status, checkpoint.headers['content-type'], checkpoint.headers['cache-control']],
    [200, 'text/plain; charset=utf-8', 'no-cache'],
  );
  const { size, root } = openCheckpoint(checkpoint.text, parseVerifierKey(api.ledger.status().vkey));
  assert.ok(size > 600);
  const tiles = new Map<string, Buffer>();
  for (const [level, n, width] of [
    [0, 0, 256],
    [0, 1, 256],
    [0, 2, size - 512],
    [1, 0, 2],
  ] as const) {
    const tile = await raw(api, `/log/${tilePath(level, n, width)}`);
    assert.equal(tile.status, 200);
    assert.equal(tile.headers['content-type'], 'application/octet-stream');
    assert.equal(tile.headers['cache-control'], 'public, max-age=31536000, immutable');
    assert.equal(tile.bytes.length, width * 32);
    tiles.set(`${level}/${n}`, tile.bytes);
  }
  assert.deepEqual(
    rootFromTiles((level, n) => tiles.get(`${level}/${n}`) as Buffer, size),
    root,
  );
});

test('a partial tile whose full one has come is still served, and nothing beyond the checkpoint is', async (context) => {
  const api = await served(context);
  commands(api.journal, 20, { id: 'p1', name: 'one' });
  await api.ledger.flush();
  const { size } = api.ledger.status();
  const early = await raw(api, `/log/${tilePath(0, 0, size)}`);
  assert.equal((await raw(api, `/log/${tilePath(0, 0, size + 1)}`)).status, 404);
  assert.equal((await raw(api, `/log/${tilePath(0, 0)}`)).status, 404);
  commands(api.journal, 300, { id: 'p1', name: 'one' });
  await api.ledger.flush();
  const late = await raw(api, `/log/${tilePath(0, 0, size)}`);
  assert.deepEqual(late.bytes, early.bytes);
});

test('paths that tlog-tiles would not write are not found, whatever they try', async (context) => {
  const api = await served(context);
  commands(api.journal, 300, { id: 'p1', name: 'one' });
  await api.ledger.flush();
  const authorization = `Bearer ${api.token}`;
  for (const path of [
    'tile/0/0',
    'tile/0/0000',
    'tile/0/x000/000',
    'tile/00/000',
    'tile/64/000',
    'tile/7/000',
    'tile/-1/000',
    'tile/0/000.p/0',
    'tile/0/000.p/256',
    'tile/0/000.p/01',
    'tile/0/000.p/',
    'tile/0/000.tmp',
    'tile/0/000/',
    'tile/0/../../log.key',
    'tile/0/..%2f..%2flog.key',
    'tile/0/%2e%2e/%2e%2e/log.key',
    'tile/entries/../../log.key',
    'tile/entries/..%2f..%2fsequencer.db',
    'tile/entries/000%00',
    'tile/entries/x999/x999/x999/x999/x999/999',
    'log.key',
    'sequencer.db',
    'log.vkey',
    '',
  ]) {
    const answer = await raw(api, `/log/${path}`, { authorization });
    assert.ok([400, 404].includes(answer.status), `${path}: ${answer.status} ${answer.text}`);
    assert.equal(answer.headers['cache-control'], 'no-store');
  }
});

test('entries are for those who may read everything, and hash to the tiles', async (context) => {
  const api = await served(context);
  commands(api.journal, 300, { id: 'p1', name: 'one' });
  await api.ledger.flush();
  const path = `/log/${entriesPath(1)}`;
  assert.equal((await raw(api, path)).status, 401);
  const authorization = `Bearer ${api.token}`;
  const plain = await raw(api, path, { authorization });
  assert.equal(plain.headers['cache-control'], 'private, max-age=31536000, immutable');
  const packed = await raw(api, path, { authorization, 'accept-encoding': 'gzip, identity' });
  assert.equal(packed.headers['content-encoding'], 'gzip');
  assert.ok(packed.bytes.length < plain.bytes.length / 2);
  assert.deepEqual(gunzipSync(packed.bytes), plain.bytes);
  const tile = await raw(api, `/log/${tilePath(0, 1)}`);
  const hashes = decodeBundle(plain.bytes, 256)?.map(leafHash);
  assert.deepEqual(hashes && Buffer.concat(hashes), tile.bytes);
});

test('any record can be proved by its id or its leaf, an outcome too, and the proof says which entry it is of', async (context) => {
  const api = await served(context);
  const written = commands(api.journal, 300, { id: 'p1', name: 'one' });
  for (const id of [...(written[7] ?? []), ...(written[299] ?? []), '0']) {
    const answer = await api.call('GET', `/v1/ledger/proof/${id}`);
    assert.equal(answer.status, 200, answer.text);
    const { index, proof, extra, checkpoint } = parseTlogProof(String(answer.body.proof));
    const { size, root } = openCheckpoint(checkpoint, parseVerifierKey(api.ledger.status().vkey));
    assert.ok(extra);
    assert.equal(extra.toString('base64'), answer.body.entry);
    if (id !== '0') assert.equal((JSON.parse(extra.toString()) as { id: string }).id, id);
    assert.ok(verifyInclusion(leafHash(extra), index, size, proof, root));
  }
  for (const id of [uuidv7(), 'x', '999999', '-1', "' OR 1=1 --", '..']) {
    const answer = await api.call('GET', `/v1/ledger/proof/${encodeURIComponent(id)}`);
    assert.equal(answer.status, 404, `${id}: ${answer.text}`);
  }
});

test('an owner proves records of their own principals and of no others', async (context) => {
  const api = await served(context);
  const person = { name: 'Olaf', email: 'olaf@example.org', roles: ['owner'] };
  await api.call('POST', '/v1/persons', person);
  const fields = { kind: 'ci_runner', backupOwner: 'bea@example.org', purpose: 'x', environment: 'test' };
  const ids = [];
  for (const [name, owner] of [
    ['mine', 'olaf@example.org'],
    ['theirs', 'ada@example.org'],
  ]) {
    const made = await api.call('POST', '/v1/principals', { ...fields, name, owner });
    const [[intent] = []] = commands(api.journal, 1, { id: String(made.body.id), name: String(name) });
    ids.push(intent);
  }
  const token = String((await api.call('POST', '/v1/persons/olaf@example.org/tokens', {})).body.token);
  const statuses = [];
  for (const id of [...ids, '0'])
    statuses.push((await api.call('GET', `/v1/ledger/proof/${id}`, undefined, token)).status);
  assert.deepEqual(statuses, [200, 403, 403]);
});

test('consistency is proved between any two sizes, also where no checkpoint was signed', async (context) => {
  const api = await served(context);
  commands(api.journal, 600, { id: 'p1', name: 'one' });
  await api.ledger.flush();
  const { size } = api.ledger.status();
  const log = new PublishedLog(join(api.dataDir, 'log'));
  const leaves = [...log.leaves(0, size)].map(({ entry }) => leafHash(entry).toString('latin1'));
  const rootOf = (n: number): Buffer => {
    const tree = new Tree(() => undefined);
    for (const leaf of leaves.slice(0, n)) tree.append(leaf);
    return tree.root;
  };
  for (const [old, now] of [
    [0, 1],
    [1, size],
    [255, 257],
    [256, 1000],
    [700, 1001],
    [size, size],
  ] as const) {
    const answer = await api.call('GET', `/v1/ledger/consistency?old=${old}&size=${now}`);
    assert.equal(answer.status, 200, answer.text);
    const proof = (answer.body.proof as unknown as string[]).map((hash) => Buffer.from(hash, 'base64'));
    assert.ok(verifyConsistency(old, rootOf(old), now, rootOf(now), proof), `${old} to ${now}`);
  }
  for (const query of [`old=5&size=4`, `old=0&size=${size + 1}`, 'old=-1', 'old=01', 'size=3', 'old=1e3']) {
    assert.equal((await api.call('GET', `/v1/ledger/consistency?${query}`)).status, 400, query);
  }
});
