import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { request } from 'node:http';
import * as net from 'node:net';
import { describe, it } from 'node:test';
import { startWitness, TestTree, type TestWitness } from './witness.fixture.ts';

interface Answer {
  readonly status: number;
  readonly type: string | undefined;
  readonly body: string;
}

function post(url: string, body: string, path = '/add-checkpoint', method = 'POST'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request(`${url}${path}`, { method, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, type: response.headers['content-type'], body: text });
      });
    });
    call.on('error', reject);
    call.end(body);
  });
}

function connect({ url }: TestWitness): net.Socket {
  return net.connect(Number(new URL(url).port), '127.0.0.1');
}

const tree = new TestTree().grow(300);

describe('witness over HTTP', () => {
  it('answers with a cosignature, the size it knows, or a reason', async (context) => {
    const { url } = await startWitness(context, [tree.signer]);
    const first = await post(url, tree.submission(0, 100));
    assert.deepEqual([first.status, first.body.startsWith('— witness.example/w1 ')], [200, true]);
    const again = await post(url, tree.submission(0, 200));
    assert.deepEqual([again.status, again.type, again.body], [409, 'text/x.tlog.size', '100\n']);
    assert.equal((await post(url, 'old x\n\n')).status, 400);
    assert.equal((await post(url, '', '/')).status, 404);
    assert.equal((await post(url, '', '/../../etc/passwd')).status, 404);
    assert.equal((await post(url, '', '/add-checkpoint', 'PUT')).status, 405);
  });

  it('refuses an oversized body, announced or not, before it has all of it', async (context) => {
    const witness = await startWitness(context, [tree.signer]);
    for (const head of ['content-length: 99999999', 'transfer-encoding: chunked']) {
      const socket = connect(witness);
      socket.on('error', () => undefined); // It may be cut while we still write: that is the point.
      socket.write(`POST /add-checkpoint HTTP/1.1\r\nhost: w\r\n${head}\r\n\r\n`);
      if (head.includes('chunked'))
        for (let i = 0; i < 10; i++) socket.write(`4000\r\n${'x'.repeat(0x4000)}\r\n`);
      const [data] = (await once(socket, 'data')) as [Buffer];
      assert.match(data.toString(), /^HTTP\/1\.1 413 /);
      socket.destroy();
    }
    assert.equal((await post(witness.url, tree.submission(0, 100))).status, 200);
  });

  it('a client that never ends its request holds up nobody and is dropped', async (context) => {
    const witness = await startWitness(context, [tree.signer], { requestMs: 300 });
    const slow = Array.from({ length: 50 }, () => {
      const socket = connect(witness);
      socket.write('POST /add-checkpoint HTTP/1.1\r\nhost: w\r\ncontent-length: 500\r\n\r\nold 0\n');
      return socket;
    });
    assert.equal((await post(witness.url, tree.submission(0, 100))).status, 200);
    for (const socket of slow) {
      socket.on('error', () => undefined);
      socket.resume();
      if (!socket.closed) await once(socket, 'close');
    }
  });

  it('a client that goes away in the middle leaves nothing behind', async (context) => {
    const witness = await startWitness(context, [tree.signer]);
    const body = tree.submission(0, 100);
    for (const cut of [0, 1, 10, body.length - 1]) {
      const socket = connect(witness);
      socket.write(
        `POST /add-checkpoint HTTP/1.1\r\nhost: w\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n`,
      );
      socket.write(body.slice(0, cut));
      await new Promise((resolve) => setImmediate(resolve));
      socket.destroy();
    }
    assert.equal((await post(witness.url, tree.submission(0, 50))).status, 200);
    assert.equal(witness.logs.sizeOf(tree.signer.name), 50);
  });

  it('of many submissions at once each is answered by what then holds: no size is cosigned twice or set back', async (context) => {
    const witness = await startWitness(context, [tree.signer]);
    await post(witness.url, tree.submission(0, 100));
    const sizes = Array.from({ length: 60 }, (_, i) => 101 + ((i * 37) % 200));
    const answers = await Promise.all(sizes.map((size) => post(witness.url, tree.submission(100, size))));
    const won = sizes.filter((_, i) => answers[i]?.status === 200);
    assert.equal(won.length, 1);
    assert.equal(witness.logs.sizeOf(tree.signer.name), won[0]);
    for (const { status, body } of answers)
      if (status !== 200) assert.deepEqual([status, body], [409, `${won[0]}\n`]);
  });

  it('says 500 and cosigns nothing when it cannot keep the checkpoint', async (context) => {
    const witness = await startWitness(context, [tree.signer]);
    await post(witness.url, tree.submission(0, 100));
    const [name = ''] = fs.readdirSync(witness.dir);
    fs.mkdirSync(`${witness.dir}/${name}.tmp`);
    assert.equal((await post(witness.url, tree.submission(100, 200))).status, 500);
    assert.equal(witness.logs.sizeOf(tree.signer.name), 100);
    fs.rmdirSync(`${witness.dir}/${name}.tmp`);
    assert.equal((await post(witness.url, tree.submission(100, 200))).status, 200);
  });
});
