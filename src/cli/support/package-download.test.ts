/** A package that is fetched over connections that break. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { testApi } from '../../api/api.fixture.ts';
import type { EvidenceJob } from '../../evidence/jobs/job.ts';
import { evidenceJobs } from '../../evidence/jobs/jobs.fixture.ts';
import { ApiClient } from './client.ts';
import { fetchPackage } from './package-download.ts';
import { Progress } from './progress.ts';

const CONTENT = randomBytes(3_000_000);

/** Passes connections on to a port, each up to so many bytes of the answers. */
async function cutting(
  context: TestContext,
  port: number,
  most: number,
): Promise<{ port: number; cuts: () => number }> {
  let cuts = 0;
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    let sent = 0;
    upstream.on('data', (chunk) => {
      sent += chunk.length;
      if (sent <= most) return void client.write(chunk);
      cuts += 1;
      client.destroy();
      upstream.destroy();
    });
    client.pipe(upstream);
    for (const socket of [client, upstream]) socket.on('error', () => undefined);
    upstream.on('close', () => client.destroy());
    client.on('close', () => upstream.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => server.close());
  return { port: (server.address() as AddressInfo).port, cuts: () => cuts };
}

async function scene(context: TestContext, most: number) {
  const dir = mkdtempSync(join(tmpdir(), 'postern-fetch-'));
  context.after(() => rmSync(dir, { recursive: true, force: true }));
  const evidence = evidenceJobs(dir, { zip: async (_dir, out) => void out.end(CONTENT) });
  const api = await testApi(context, { evidence });
  const by = { id: api.admin.id, name: api.admin.name };
  const { id } = await evidence.create({ params: {}, recorded: {}, requestedBy: by }, async () => 'r');
  const job = await evidence.ended(id);
  const proxy = await cutting(context, api.deps.addresses().api.port, most);
  const client = new ApiClient({
    api: `https://127.0.0.1:${proxy.port}`,
    ca: { file: 'ca.crt', pem: api.deps.tls.caPem },
    token: api.token,
  });
  return { dir, job, client, proxy };
}

test('a transfer that breaks off again and again goes on where it was, and the package is whole', async (context) => {
  const { dir, job, client, proxy } = await scene(context, 800_000);
  const out = join(dir, 'package.zip');
  await fetchPackage(client, job, out, new Progress());
  assert.ok(proxy.cuts() >= 3);
  assert.ok(readFileSync(out).equals(CONTENT));
});

test('a package that comes otherwise than the server has it is not kept', async (context) => {
  const { dir, job, client } = await scene(context, Number.POSITIVE_INFINITY);
  const other: EvidenceJob = { ...job, sha256: 'ab'.repeat(32) };
  await assert.rejects(fetchPackage(client, other, join(dir, 'x.zip'), new Progress()), /came otherwise/);
  assert.equal(
    readdirSync(dir).some((name) => name.startsWith('x.zip')),
    false,
  );
});
