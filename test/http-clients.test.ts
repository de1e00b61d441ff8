/** A stock server and a stock client: nginx behind Postern, set up at the command line and asked with curl. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CURL, ensureDebianPackages, findCommand, NGINX } from '../scripts/need.ts';
import { makeServerCertificate } from './support/certificates.ts';
import { freePort, type Running, run, start, waitForPort } from './support/processes.ts';
import { Service } from './support/service.ts';

const LAUNCHER = fileURLToPath(new URL('../bin/postern', import.meta.url));

describe('nginx behind Postern, asked with curl', () => {
  let service: Service;
  let nginx: Running;
  let dir: string;
  let env: NodeJS.ProcessEnv;

  before(async () => {
    ensureDebianPackages([NGINX, CURL]);
    service = await Service.start();
    dir = mkdtempSync(join(tmpdir(), 'postern-nginx-'));
    const port = await freePort();
    const certificate = await makeServerCertificate();
    mkdirSync(join(dir, 'site'));
    writeFileSync(join(dir, 'site', 'report.json'), '{"total": 42}\n');
    writeFileSync(join(dir, 'site', 'secret.txt'), 'nobody may read this\n');
    writeFileSync(join(dir, 'crt.pem'), certificate.certPem);
    writeFileSync(join(dir, 'key.pem'), certificate.keyPem, { mode: 0o600 });
    writeFileSync(join(dir, 'ca.pem'), certificate.caPem);
    writeFileSync(join(dir, 'api-key'), 'the-key-of-nginx', { mode: 0o600 });
    writeFileSync(
      join(dir, 'nginx.conf'),
      // A worker of root's own can read what only root may.
      `${process.getuid?.() === 0 ? 'user root;' : ''} daemon off; pid ${dir}/pid; error_log stderr; worker_processes 1;
events {}
http {
  access_log off; client_body_temp_path ${dir}/b; proxy_temp_path ${dir}/p; fastcgi_temp_path ${dir}/f; uwsgi_temp_path ${dir}/u; scgi_temp_path ${dir}/s;
  server {
    listen 127.0.0.1:${port} ssl; ssl_certificate ${dir}/crt.pem; ssl_certificate_key ${dir}/key.pem;
    location /api/ { if ($http_x_api_key != "the-key-of-nginx") { return 403; } alias ${dir}/site/; }
    location = /api/moved { return 302 https://localhost:${port}/api/report.json; }
  }
}
`,
    );
    nginx = await start(findCommand('nginx') ?? 'nginx', ['-p', dir, '-c', join(dir, 'nginx.conf')]);
    await waitForPort(port);
    env = {
      ...process.env,
      POSTERN_API: `https://${service.postern.api.host}:${service.postern.api.port}`,
      POSTERN_CA: service.postern.caFile,
      POSTERN_TOKEN: service.postern.token,
    };
    const added = await postern(
      ...[
        'resource',
        'add',
        'reports',
        '--url',
        `https://localhost:${port}/api`,
        '--ca-file',
        join(dir, 'ca.pem'),
      ],
      ...[
        '--auth',
        'header:X-Api-Key',
        '--service-name',
        'reports.internal',
        '--password-file',
        join(dir, 'api-key'),
      ],
      ...['--environment', 'test', '--classification', 'internal'],
    );
    assert.equal(added.code, 0, added.stderr);
    assert.ok(!(added.stdout + added.stderr).includes('the-key-of-nginx'));
  });
  after(async () => {
    await nginx.stop('SIGTERM', 5000);
    await service.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const postern = (...args: string[]) => run(LAUNCHER, args, { env });

  it('the resource is tested, a grant is made, and a credential comes as a file for curl', async () => {
    const tested = await postern('resource', 'test', 'reports');
    assert.equal(tested.code, 1, 'nginx shows no list of its files, which is a refusal');
    assert.match(tested.stdout + tested.stderr, /403/);
    const granted = await postern(
      ...[
        'grant',
        'add',
        '--principal',
        'reporter',
        '--resource',
        'reports',
        '--scope',
        'GET on /report.json, /moved',
      ],
      ...['--for', '1h', '--ticket', 'CHG-1'],
    );
    assert.equal(granted.code, 0, granted.stderr);
    const issued = await postern(
      'credential',
      'issue',
      '--principal',
      'reporter',
      '--resource',
      'reports',
      '--format',
      'curl',
    );
    assert.equal(issued.code, 0, issued.stderr);
    const config = join(dir, 'curl.conf');
    writeFileSync(config, issued.stdout, { mode: 0o600 });
    const curl = (...args: string[]) =>
      run('curl', ['--silent', '--show-error', '--config', config, ...args]);
    const base = `https://localhost:${service.port}`;
    for (const version of ['--http1.1', '--http2']) {
      const got = await curl(version, `${base}/reports/report.json`);
      assert.equal(got.stdout, '{"total": 42}\n', got.stderr);
    }
    const refused = await curl('--write-out', '%{http_code}', `${base}/reports/secret.txt`);
    assert.match(refused.stdout, /POSTERN_SCOPE_DENIED[\s\S]*403$/);
    const moved = await curl('--location', `${base}/reports/moved`);
    assert.equal(moved.stdout, '{"total": 42}\n', 'an address of the service leads back through Postern');
    const named = await curl(
      '--connect-to',
      `reports.internal:443:localhost:${service.port}`,
      '--insecure',
      'https://reports.internal/report.json',
    );
    assert.equal(named.stdout, '{"total": 42}\n', named.stderr);
    const shown = await postern('activity', '--principal', 'reporter');
    assert.match(shown.stdout, /GET/);
    assert.match(shown.stdout, /report\.json/);
  });
});
