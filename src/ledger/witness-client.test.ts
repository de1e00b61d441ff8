import assert from 'node:assert/strict';
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { cosign, generateWitnessKey } from './cosignature.ts';
import { startWitness, TestTree } from './witness.fixture.ts';
import { submitCheckpoint, type WitnessReply } from './witness-client.ts';

const tree = new TestTree().grow(300);
const key = generateWitnessKey('witness.example/w1');
const text = (size: number): string => `${tree.note(size).split('\n\n')[0]}\n`;
const ask = (url: string, old: number, size: number, signal?: AbortSignal): Promise<WitnessReply> =>
  submitCheckpoint({ url, key }, { old, proof: tree.proof(old, size), note: tree.note(size) }, 1000, signal);

/** A witness that says what it is told to. */
async function liar(
  context: TestContext,
  answer: (response: http.ServerResponse, body: string) => void,
): Promise<string> {
  const server = http.createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (part: string) => {
      body += part;
    });
    request.on('end', () => answer(response, body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const says =
  (status: number, body: string, type = 'text/plain') =>
  (response: http.ServerResponse) =>
    void response.writeHead(status, { 'content-type': type }).end(body);

describe('submission to a witness', () => {
  it('gets a cosignature that holds, or the size that the witness knows', async (context) => {
    const witness = await startWitness(context, [tree.signer]);
    const submit = (old: number, size: number): Promise<WitnessReply> =>
      submitCheckpoint(
        { url: `${witness.url}/`, key: witness.key },
        { old, proof: tree.proof(old, size), note: tree.note(size) },
        5000,
      );
    const first = await submit(0, 100);
    assert.equal(first.kind, 'cosigned');
    assert.deepEqual(await submit(50, 200), { kind: 'size', size: 100 });
    assert.equal((await submit(100, 300)).kind, 'cosigned');
    const fork = tree.fork(10).grow(290, 'f');
    const forked = await submitCheckpoint(
      { url: witness.url, key: witness.key },
      { old: 300, proof: [], note: fork.note(300) },
      5000,
    );
    assert.deepEqual([forked.kind, forked.kind === 'refused' && forked.status], ['refused', 409]);
  });

  it('an answer that is not a cosignature of that witness over that checkpoint is refused', async (context) => {
    const now = Math.floor(Date.now() / 1000);
    const answers: readonly (readonly [what: string, body: string])[] = [
      ['nothing', ''],
      ['no note', 'thanks'],
      ['another witness', cosign(text(100), generateWitnessKey(key.name), now)],
      ['another checkpoint', cosign(text(101), key, now)],
      ['a time to come', cosign(text(100), key, now + 100_000)],
      ['a plain signature', tree.note(100).split('\n\n')[1] as string],
      ['no end of line', cosign(text(100), key, now).trimEnd()],
      ['too much', 'x'.repeat(70_000)],
    ];
    for (const [what, body] of answers) {
      const url = await liar(context, says(200, body));
      await assert.rejects(ask(url, 0, 100), { code: 'POSTERN_INVALID' }, what);
    }
    const good = cosign(text(100), generateWitnessKey('x.example/x'), now) + cosign(text(100), key, now);
    assert.equal((await ask(await liar(context, says(200, good)), 0, 100)).kind, 'cosigned');
  });

  it('refusals of every kind are told apart from sizes', async (context) => {
    for (const status of [301, 400, 403, 404, 409, 422, 500]) {
      const reply = await ask(await liar(context, says(status, 'no\u001b[2J')), 0, 100);
      assert.deepEqual([reply.kind, reply.kind === 'refused' && reply.status], ['refused', status]);
      assert.doesNotMatch(JSON.stringify(reply), /u001b/);
    }
    const sizes = ['', '5', '05\n', '-1\n', 'x\n', '99999999999999999999\n', '5\n5\n'];
    for (const body of sizes) {
      const url = await liar(context, says(409, body, 'text/x.tlog.size'));
      await assert.rejects(ask(url, 0, 100), { code: 'POSTERN_INVALID' }, JSON.stringify(body));
    }
  });

  it('silence, a trickle, a broken connection and nobody at all end in an error', async (context) => {
    await assert.rejects(ask(await liar(context, () => undefined), 0, 100), { code: 'POSTERN_TIMEOUT' });
    const trickle = await liar(context, (response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write('x'), 50);
      response.on('close', () => clearInterval(timer));
    });
    await assert.rejects(ask(trickle, 0, 100), { code: 'POSTERN_TIMEOUT' });
    const broken = await liar(context, (response) => response.socket?.destroy());
    await assert.rejects(ask(broken, 0, 100), { code: 'POSTERN_UPSTREAM_UNAVAILABLE' });
    await assert.rejects(ask('http://127.0.0.1:1', 0, 100), { code: 'POSTERN_UPSTREAM_UNAVAILABLE' });
    const stopped = new AbortController();
    const call = ask(await liar(context, () => stopped.abort()), 0, 100, stopped.signal);
    await assert.rejects(call, { code: 'POSTERN_UPSTREAM_UNAVAILABLE' });
  });

  it('sends what the protocol says, byte for byte', async (context) => {
    let seen = '';
    const url = await liar(context, (response, body) => {
      seen = body;
      says(403, '')(response);
    });
    await ask(url, 0, 100);
    assert.equal(seen, `old 0\n\n${tree.note(100)}`);
    await ask(url, 77, 100);
    const hashes = tree.proof(77, 100).map((hash) => `${hash.toString('base64')}\n`);
    assert.equal(seen, `old 77\n${hashes.join('')}\n${tree.note(100)}`);
  });
});
