/**
 * Requests of HTTP/1.1 over TLS, compared: through a bare proxy of Node.js and through Postern, with everything decided and recorded.
 *
 *   npm run bench -- http [--rounds 3] [--seconds 4] [--clients 1,8,64] [--json]
 *
 * nginx answers with a small file; h2load asks, keeping its connections. Postern runs with one worker.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { ensureDebianPackages, findCommand, H2LOAD, NGINX } from '../scripts/need.ts';
import { makeServerCertificate } from '../test/support/certificates.ts';
import { freePort, type Running, run, start, waitForPort } from '../test/support/processes.ts';
import { basic, Service } from '../test/support/service.ts';
import { median, medianRatio } from './support/statistics.ts';

const { values: given } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '4' },
    clients: { type: 'string', default: '1,8,64' },
    json: { type: 'boolean', default: false },
  },
});
const rounds = Number(given.rounds);
const seconds = Number(given.seconds);

interface Leg {
  readonly name: string;
  readonly url: string;
  readonly headers: readonly string[];
}

interface Row {
  readonly clients: number;
  readonly leg: string;
  readonly perSecond: number;
  readonly toProxy: number;
}

ensureDebianPackages([NGINX, H2LOAD]);
const directory = mkdtempSync(join(tmpdir(), 'postern-bench-http-'));
const running: Running[] = [];
const service = await Service.start({ args: ['--workers', '1'] });
try {
  const port = await startNginx();
  await service.resource('files', { port });
  await service.grant('GET on /**', { resource: 'files' });
  const credential = await service.credential();
  const proxyPort = await startProxy(port);
  const legs: Leg[] = [
    { name: 'proxy', url: `https://127.0.0.1:${proxyPort}/small.json`, headers: [] },
    {
      ...{ name: 'postern', url: `https://127.0.0.1:${service.port}/files/small.json` },
      headers: [`authorization: ${basic(credential)}`],
    },
  ];
  const rows: Row[] = [];
  for (const word of given.clients.split(',')) rows.push(...(await compare(legs, Number(word))));
  process.stdout.write(given.json ? `${JSON.stringify({ rounds, seconds, rows }, null, 2)}\n` : table(rows));
} finally {
  for (const each of running) await each.stop('SIGTERM', 5000);
  await service.stop();
  rmSync(directory, { recursive: true, force: true });
}

async function startNginx(): Promise<number> {
  const port = await freePort();
  mkdirSync(join(directory, 'site'));
  writeFileSync(
    join(directory, 'site', 'small.json'),
    `${JSON.stringify({ id: 42, text: 'x'.repeat(200) })}\n`,
  );
  const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${directory}/${name};`,
  );
  writeFileSync(
    join(directory, 'nginx.conf'),
    `${process.getuid?.() === 0 ? 'user root;' : ''} daemon off; pid ${directory}/pid; error_log stderr; worker_processes 1;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 1000000000; ${folders.join(' ')} server { listen 127.0.0.1:${port}; root ${directory}/site; } }
`,
  );
  running.push(
    await start(findCommand('nginx') ?? 'nginx', ['-p', directory, '-c', join(directory, 'nginx.conf')]),
  );
  await waitForPort(port);
  return port;
}

async function startProxy(port: number): Promise<number> {
  const { certPem, keyPem } = await makeServerCertificate();
  writeFileSync(join(directory, 'crt.pem'), certPem);
  writeFileSync(join(directory, 'key.pem'), keyPem, { mode: 0o600 });
  const script = fileURLToPath(new URL('http-proxy.ts', import.meta.url));
  const args = [script, join(directory, 'crt.pem'), join(directory, 'key.pem'), '127.0.0.1', String(port)];
  const proxy = await start(process.execPath, args);
  running.push(proxy);
  const [, found] = await proxy.waitFor(/listening (\d+)/);
  return Number(found);
}

/** Requests in a second. */
async function measure({ url, headers }: Leg, clients: number): Promise<number> {
  const args = [
    '--h1',
    `--clients=${clients}`,
    `--duration=${seconds}`,
    '--warm-up-time=1',
    ...headers.map((each) => `--header=${each}`),
    url,
  ];
  const { stdout, stderr } = await run(findCommand('h2load') ?? 'h2load', args);
  const [, rate] = /finished in [\d.]+m?s, ([\d.]+) req\/s/.exec(stdout) ?? [];
  const [, failed] = /(\d+) failed/.exec(stdout) ?? [];
  const [, good] = /status codes: (\d+) 2xx/.exec(stdout) ?? [];
  if (rate === undefined || failed !== '0' || Number(good) === 0) throw new Error(`${stdout}\n${stderr}`);
  return Number(rate);
}

async function compare(legs: readonly Leg[], clients: number): Promise<Row[]> {
  const samples = new Map<string, number[]>(legs.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    process.stderr.write(`${clients} clients, round ${round + 1} of ${rounds}\n`);
    for (const leg of legs) samples.get(leg.name)?.push(await measure(leg, clients));
  }
  const baseline = samples.get('proxy') ?? [];
  return [...samples].map(([leg, taken]) => ({
    clients,
    leg,
    perSecond: Math.round(median(taken)),
    toProxy: Number(medianRatio(taken, baseline).toFixed(2)),
  }));
}

function table(rows: readonly Row[]): string {
  const out = new Table({
    head: ['clients', 'leg', 'requests/s', '÷ proxy'],
    colAligns: ['right', 'left', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  for (const { clients, leg, perSecond, toProxy } of rows)
    out.push([clients, leg, perSecond, toProxy.toFixed(2)]);
  return `${out.toString()}\nMedians of ${rounds} interleaved rounds of ${seconds} s, h2load over TLS, HTTP/1.1.\n`;
}
