/** The exchange from a shell and from pipelines: the command line, the GitHub action and the GitLab template, with a real psql. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { CURL, ensureDebianPackages } from '../scripts/need.ts';
import { Bank } from './support/bank.ts';
import { makeServerCertificate } from './support/certificates.ts';
import { Issuer } from './support/issuer.ts';
import { type Finished, run, start } from './support/processes.ts';

const LAUNCHER = fileURLToPath(new URL('../bin/postern', import.meta.url));
const integration = (path: string): string =>
  fileURLToPath(new URL(`../integrations/${path}`, import.meta.url));
const COUNT = 'select count(*) > 1000 from ledger.entries';
const PSQL = ['-X', '-q', '-t', '-A', '-c', COUNT];

describe('the exchange from outside', () => {
  let home: string;
  let issuer: Issuer;
  let platform: Server;
  let platformUrl: string;
  let bank: Bank;
  /** What the platform was asked, as it came. */
  const asked: { url: string; authorization: string | undefined }[] = [];
  const file = (name: string): string => join(home, name);
  before(async () => {
    ensureDebianPackages([CURL]);
    home = mkdtempSync(join(tmpdir(), 'postern-outside-'));
    const tls = await makeServerCertificate();
    writeFileSync(file('platform-ca.crt'), tls.caPem);
    issuer = await new Issuer(tls).listen();
    platform = createServer({ cert: tls.certPem, key: tls.keyPem }, (request, response) => {
      asked.push({ url: request.url ?? '', authorization: request.headers.authorization });
      const good = request.headers.authorization === 'bearer runner-secret';
      response.statusCode = good ? 200 : 401;
      response.end(JSON.stringify({ count: 1, value: token() }));
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => platform.once('listening', resolve));
    const address = platform.address();
    platformUrl = `https://localhost:${typeof address === 'object' && address !== null ? address.port : 0}/token?api-version=2`;
    bank = await Bank.start({
      args: ['--workers', '1'],
      env: { ...process.env, NODE_EXTRA_CA_CERTS: file('platform-ca.crt') },
    });
    await bank.identity('batch', 'select on ledger.*');
    await bank.postern.call('POST', '/v1/principals/batch/bindings', {
      ...{ issuer: issuer.url, audience: 'postern', claims: { sub: 'job-1' } },
    });
  });
  after(async () => {
    await bank?.stop();
    issuer?.close();
    platform?.close();
    platform?.closeAllConnections();
    rmSync(home, { recursive: true, force: true });
  });

  let runs = 0;
  const token = (): string => issuer.token({ jti: `run-${runs++}` });
  const apiUrl = (): string => `https://localhost:${bank.postern.api.port}`;
  /** Nothing of the test's own shell but its path. */
  const environment = (over: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
    PATH: process.env.PATH,
    HOME: home,
    TMPDIR: home,
    POSTERN_API: apiUrl(),
    POSTERN_CA: bank.postern.caFile,
    NODE_EXTRA_CA_CERTS: file('platform-ca.crt'),
    ...over,
  });
  const github = (): NodeJS.ProcessEnv => ({
    ACTIONS_ID_TOKEN_REQUEST_URL: platformUrl,
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'runner-secret',
  });
  const postern = (args: readonly string[], over: NodeJS.ProcessEnv = {}): Promise<Finished> =>
    run(process.execPath, [LAUNCHER, ...args], { env: environment(over) });
  const good = ({ code, stdout, stderr }: Finished): string => {
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const mode = (path: string): number => statSync(path).mode & 0o777;

  it('a job on GitHub gets the environment for psql with one command', async () => {
    const exported = good(
      await postern(['exchange', '--token-from', 'github', '--resource', 'ledger-db'], github()),
    );
    assert.match(asked.at(-1)?.url ?? '', /audience=postern/);
    writeFileSync(file('env.sh'), `${exported}psql ${PSQL.slice(0, -1).join(' ')} "$1"\n`);
    const done = await run('sh', [file('env.sh'), COUNT], { env: { PATH: process.env.PATH, HOME: home } });
    assert.equal(done.stdout, 't\n', done.stderr);
    const refused = await postern(['exchange', '--token-from', 'github'], {
      ...github(),
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'other',
    });
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /HTTP status 401/);
    assert.match((await postern(['exchange', '--token-from', 'github'])).stderr, /id-token: write/);
  });

  it('files for libpq are private, and all that psql needs', async () => {
    const out = file('service');
    good(
      await postern(['exchange', '--token-from', 'env:T', '--resource', 'ledger-db', '--out', out], {
        T: token(),
      }),
    );
    for (const name of ['pgpass', 'pg_service.conf', 'ca.crt'])
      assert.equal(mode(join(out, name)), 0o600, name);
    const env = {
      PATH: process.env.PATH,
      HOME: home,
      PGSERVICEFILE: join(out, 'pg_service.conf'),
      PGSERVICE: 'postern',
    };
    assert.equal((await run('psql', PSQL, { env })).stdout, 't\n');

    const certificate = file('certificate');
    const kind = ['--kind', 'certificate', '--resource', 'ledger-db', '--out', certificate];
    good(await postern(['exchange', '--token-from', 'env:T', ...kind], { T: token() }));
    assert.equal(mode(join(certificate, 'client.key')), 0o600);
    const shown = { ...env, PGSERVICEFILE: join(certificate, 'pg_service.conf') };
    const done = await run('psql', PSQL, { env: shown });
    assert.equal(done.stdout, 't\n', done.stderr);
  });

  it('a credential that is kept is used until it is nearly over, and for what it was asked for alone', async () => {
    const cache = file('kept.json');
    const ask = (more: readonly string[], t: string) =>
      postern(['exchange', '--token-from', 'env:T', '--format', 'token', '--cache', cache, ...more], {
        T: t,
      });
    const first = good(await ask([], token()));
    assert.equal(mode(cache), 0o600);
    assert.equal(good(await ask([], 'not looked at')), first);
    assert.notEqual(good(await ask(['--resource', 'ledger-db'], token())), first);
    execFileSync('chmod', ['644', cache]);
    assert.match((await ask([], token())).stderr, /can be read by others/);
  });

  it('a job asks for itself at the command line, with its bearer token, and reaches nothing else there', async () => {
    const kind = ['exchange', '--token-from', 'env:T', '--kind', 'jwt'];
    const own = { POSTERN_TOKEN: good(await postern(kind, { T: token() })).trim() };
    assert.match(good(await postern(['whoami'], own)), /principal +batch \(service_account\)/);
    const ask = ['--resource', 'ledger-db', '--scope', 'select on ledger.*', '--for', '10m'];
    const denied = await postern(['request', 'create', '--principal', 'batch', ...ask], own);
    assert.match(denied.stderr, /is denied: there is no access policy yet/);
    assert.match((await postern(['grant', 'list'], own)).stderr, /Principals may not do this/);
  });

  it('run gives the command a credential and nothing else, and leaves nothing', async () => {
    const print = 'process.stdout.write(JSON.stringify(process.env))';
    const base = ['run', '--token-from', 'env:POSTERN_ID_TOKEN', '--resource', 'ledger-db', '--'];
    const t = token();
    const env = JSON.parse(
      good(
        await postern([...base, process.execPath, '-e', print], { POSTERN_ID_TOKEN: t, PGPASSWORD: 'other' }),
      ),
    ) as Record<string, string>;
    assert.equal(env.PGUSER, 'batch');
    assert.ok(!('PGPASSWORD' in env) && !JSON.stringify(env).includes(t));
    assert.ok(!existsSync(env.PGPASSFILE ?? ''));
    const done = await postern([...base, 'psql', ...PSQL], { POSTERN_ID_TOKEN: token() });
    assert.equal(good(done), 't\n');
    assert.equal((await postern([...base, 'sh', '-c', 'exit 42'], { POSTERN_ID_TOKEN: token() })).code, 42);
    assert.equal((await postern([...base, 'true'], { POSTERN_ID_TOKEN: 'e.e.e' })).code, 1);
    assert.deepEqual(
      readdirSync(home).filter((name) => name.startsWith('postern-run-')),
      [],
    );
  });

  it('run makes the credential anew before it ends; a failure is said once, and tried again', async () => {
    const from = file('token');
    const brief = () => issuer.token({ jti: `brief-${runs++}`, exp: Math.floor(Date.now() / 1000) + 9 });
    writeFileSync(from, brief());
    const shown =
      'let last = ""; setInterval(() => { const now = require("fs").readFileSync(process.env.PGPASSFILE, "utf8"); if (now !== last) console.log("password"); last = now; }, 50)';
    const args = ['run', '--token-from', `file:${from}`, '--resource', 'ledger-db', '--'];
    const job = await start(process.execPath, [LAUNCHER, ...args, process.execPath, '-e', shown], {
      env: environment(),
    });
    try {
      await job.waitFor(/password\n/);
      // The file still has the token that was used: it is not taken again.
      await job.waitFor(/no new credential: .*; trying again/);
      await sleep(2500);
      assert.equal(job.stderr.match(/no new credential/g)?.length, 1, job.stderr);
      writeFileSync(from, token());
      await job.waitFor(/a new credential, until/);
      await job.waitFor(/password\npassword\n/);
      assert.ok(!job.stderr.includes(readFileSync(from, 'utf8')));
    } finally {
      await job.stop();
    }
  });

  it('kubectl is given a bearer token or a certificate in its own form', async () => {
    const info = JSON.stringify({ apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential' });
    const ask = (kind: string, over: NodeJS.ProcessEnv = {}) =>
      postern(['kube-credential', '--token-from', 'env:T', '--kind', kind], {
        ...{ T: token(), KUBERNETES_EXEC_INFO: info },
        ...over,
      });
    interface ExecCredential {
      readonly apiVersion: string;
      readonly kind: string;
      readonly status: Readonly<Record<string, string>>;
    }
    const bearer = JSON.parse(good(await ask('jwt'))) as ExecCredential;
    assert.equal(bearer.apiVersion, 'client.authentication.k8s.io/v1');
    assert.equal(bearer.kind, 'ExecCredential');
    assert.match(bearer.status.expirationTimestamp ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    const self = await bank.postern.call<object>('GET', '/v1/self', undefined, bearer.status.token);
    assert.match(JSON.stringify(self), /"name":"batch"/);
    const { status } = JSON.parse(good(await ask('certificate'))) as ExecCredential;
    assert.match(status.clientCertificateData ?? '', /BEGIN CERTIFICATE/);
    assert.match(status.clientKeyData ?? '', /BEGIN PRIVATE KEY/);
    const old = info.replace('/v1', '/v1beta1');
    assert.match((await ask('jwt', { KUBERNETES_EXEC_INFO: old })).stderr, /v1beta1/);
  });

  it('the GitHub action leaves the steps behind it a login, with curl and sh alone', async () => {
    interface Action {
      readonly runs: {
        readonly steps: readonly { readonly run: string; readonly shell: string; readonly env: object }[];
      };
      readonly inputs: Readonly<Record<string, { readonly default?: string }>>;
    }
    const action = parse(readFileSync(integration('github-action/action.yml'), 'utf8')) as Action;
    const [step] = action.runs.steps;
    assert.ok(step && action.runs.steps.length === 1 && step.shell === 'sh');
    const inputs: Record<string, string> = {
      ...{ url: apiUrl(), resource: 'ledger-db', 'ca-file': bank.postern.caFile },
    };
    const given = Object.entries(step.env as Record<string, string>).map(([name, text]) => {
      const input = /^\$\{\{ inputs\.([\w-]+) \}\}$/.exec(text)?.[1] ?? '';
      return [name, inputs[input] ?? action.inputs[input]?.default ?? ''];
    });
    const step_env = (over: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
      ...{ PATH: process.env.PATH, HOME: home, RUNNER_TEMP: home, GITHUB_ENV: file('github.env') },
      ...{ GITHUB_ACTION_PATH: integration('github-action'), CURL_CA_BUNDLE: file('platform-ca.crt') },
      ...github(),
      ...Object.fromEntries(given),
      ...over,
    });
    writeFileSync(file('github.env'), '');
    const done = await run('sh', ['-e', '-c', step.run], { env: step_env() });
    assert.equal(done.code, 0, done.stdout + done.stderr);
    const lines = readFileSync(file('github.env'), 'utf8').trim().split('\n');
    const env = Object.fromEntries(lines.map((line) => line.split(/=(.*)/s).slice(0, 2)));
    assert.equal(mode(env.PGPASSFILE), 0o600);
    const password = readFileSync(env.PGPASSFILE, 'utf8').trim().split(':').at(-1) ?? '';
    assert.equal(done.stdout.split('\n')[0], `::add-mask::${password}`);
    assert.equal(done.stdout.split(password).length, 2, 'nowhere but in the order to hide it');
    const psql = await run('psql', PSQL, { env: { PATH: process.env.PATH, HOME: home, ...env } });
    assert.equal(psql.stdout, 't\n', psql.stderr);

    const refused = await run('sh', ['-e', '-c', step.run], {
      env: step_env({ POSTERN_RESOURCE: 'other-db' }),
    });
    assert.equal(refused.code, 1);
    assert.match(refused.stdout, /::error::Postern refuses: No grant gives batch a resource/);
  });

  it('the GitLab template gives the script of a job a login, with curl and sh alone', async () => {
    const template = parse(readFileSync(integration('gitlab/postern.gitlab-ci.yml'), 'utf8')) as {
      readonly '.postern': {
        readonly before_script: readonly string[];
        readonly variables: Readonly<Record<string, string>>;
      };
    };
    const job = template['.postern'];
    const script = `set -e\n${job.before_script.join('\n')}\npsql ${PSQL.slice(0, -1).join(' ')} "$1"\nenv\n`;
    writeFileSync(file('job.sh'), script);
    const variables = {
      ...{ PATH: process.env.PATH, HOME: home, TMPDIR: home, ...job.variables },
      ...{ POSTERN_URL: apiUrl(), POSTERN_RESOURCE: 'ledger-db', POSTERN_CA: bank.postern.caFile },
    };
    const t = token();
    const done = await run('sh', [file('job.sh'), COUNT], { env: { ...variables, POSTERN_ID_TOKEN: t } });
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stdout, /^t\n/);
    assert.ok(!done.stdout.includes(t) && !done.stdout.includes('postern_password'));
    const refused = await run('sh', [file('job.sh'), COUNT], {
      env: { ...variables, POSTERN_ID_TOKEN: issuer.token({ sub: 'job-2' }) },
    });
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /Postern refuses: /);
  });
});
