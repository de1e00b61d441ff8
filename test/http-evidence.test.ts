/** What was done on a service is told like what was done in a database: in the activity, for right-sizing, and in evidence that verifies. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { run } from './support/processes.ts';
import { Service } from './support/service.ts';

const LAUNCHER = fileURLToPath(new URL('../bin/postern', import.meta.url));

describe('what was done on a service', () => {
  let service: Service;
  let dir: string;
  let env: NodeJS.ProcessEnv;

  before(async () => {
    service = await Service.start();
    dir = mkdtempSync(join(tmpdir(), 'postern-http-evidence-'));
    env = {
      ...process.env,
      POSTERN_API: `https://${service.postern.api.host}:${service.postern.api.port}`,
      POSTERN_CA: service.postern.caFile,
      POSTERN_TOKEN: service.postern.token,
    };
    await service.grant('GET, DELETE on /v1/**; POST on /v1/transfers');
    const reporter = await service.credential();
    for (let index = 0; index < 5; index++)
      assert.equal(
        (await service.ask(reporter, `/accounts/v1/accounts/${1000 + index}?page=${index}`)).status,
        200,
      );
    const body = '{"amount": 1}';
    assert.equal(
      (await service.ask(reporter, '/accounts/v1/transfers', { method: 'POST', body })).status,
      200,
    );
    assert.equal((await service.ask(reporter, '/accounts/v2/x')).status, 403);
    service.handler = (_request, response) => void response.socket?.destroy();
    assert.equal((await service.ask(reporter, '/accounts/v1/broken')).status, 502);
    // One that is broken off by the client.
    service.handler = () => undefined;
    const socket = await service.socket();
    socket.write(
      `GET /accounts/v1/slow HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic ${Buffer.from(`reporter:${reporter.password}`).toString('base64')}\r\n\r\n`,
    );
    while (!service.seen.includes('GET /v1/slow')) await new Promise((resolve) => setTimeout(resolve, 10));
    socket.destroy();
    service.handler = null;
  });
  after(async () => {
    await service.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const postern = async (...args: string[]): Promise<string> => {
    const done = await run(LAUNCHER, args, { env });
    assert.equal(done.code, 0, `${args.join(' ')}\n${done.stdout}\n${done.stderr}`);
    return done.stdout;
  };

  it('is summed by method and route', async () => {
    const summary = await postern('activity', '--principal', 'reporter', '--summary');
    assert.match(summary, /GET +\/v1\/accounts\/\* +5/);
    assert.match(summary, /POST +\/v1\/transfers +1/);
  });

  it('gives the scope that would have been enough', async () => {
    const sized = JSON.parse(
      await postern('principal', 'right-size', 'reporter', '--resource', 'accounts', '--json'),
    );
    assert.match(
      JSON.stringify(sized),
      /GET on \/v1\/accounts\/\*, \/v1\/broken, \/v1\/slow; POST on \/v1\/transfers/,
    );
  });

  it('is in a package that verifies, request by request', async () => {
    const out = join(dir, 'package');
    await postern('evidence', 'export', '--out', out, '--with', 'ocsf,parquet');
    const report = await postern('verify', out);
    assert.match(report, /VERIFIED/);
    const rows = readFileSync(join(out, 'activity', 'commands.ndjson'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.ok(
      rows.some(
        (row) => row.payloads.statement?.text === 'GET /v1/accounts/1003?page=3' && row.code === '200',
      ),
    );
    assert.ok(rows.some((row) => row.objects[0] === '/v1/broken' && row.status === 'unknown'));
    assert.ok(rows.some((row) => row.objects[0] === '/v1/slow' && row.status === 'unknown'));
    assert.ok(rows.some((row) => row.decision === 'deny' && row.objects[0] === '/v2/x'));
    assert.ok(!readFileSync(join(out, 'activity', 'commands.ndjson'), 'utf8').includes('upstream-secret'));
  });
});
