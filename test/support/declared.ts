import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type TestApi, testApi } from '../../src/api/api.fixture.ts';
import { type Finished, run } from './processes.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/postern', import.meta.url));
const EXAMPLE = fileURLToPath(new URL('../../docs/examples/apply', import.meta.url));
/** The upstream password that the example points to. */
export const PASSWORD = 'upstream-Zq81-secret';

/** The command line in a folder of declarations, against a real API without gateway and log. */
export interface Scene {
  readonly api: TestApi;
  readonly dir: string;
  /** `postern ...` in the folder. */
  call(...args: readonly string[]): Promise<Finished>;
  /** `postern apply -f . ...`, with the exit code that it must have. */
  apply(code: number, ...args: readonly string[]): Promise<Finished>;
  put(name: string, text: string): void;
  /** Replaces a text in a file of the folder. */
  edit(name: string, from: string, to: string): void;
}

/** @param example whether the folder begins as docs/examples/apply */
export async function scene(context: TestContext, example = true): Promise<Scene> {
  const fetchIssuerKeys = async (issuer: string) => ({ issuer, jwks: { keys: [] } });
  const api = await testApi(context, {}, { fetchIssuerKeys });
  for (const name of ['Ada', 'Grace']) {
    const email = `${name.toLowerCase()}@bank.example`;
    await api.call('POST', '/v1/persons', { name, email, roles: ['owner'] });
  }
  const home = mkdtempSync(join(tmpdir(), 'postern-apply-'));
  context.after(() => rmSync(home, { recursive: true, force: true }));
  const dir = join(home, 'files');
  mkdirSync(dir);
  if (example) cpSync(EXAMPLE, dir, { recursive: true });
  writeFileSync(join(home, 'ca.crt'), api.deps.tls.caPem);
  const env = {
    PATH: process.env.PATH,
    HOME: home,
    XDG_CONFIG_HOME: home,
    POSTERN_API: `https://127.0.0.1:${api.deps.addresses().api.port}`,
    POSTERN_CA: join(home, 'ca.crt'),
    POSTERN_TOKEN: api.token,
    LEDGER_DB_PASSWORD: PASSWORD,
  };
  const call: Scene['call'] = (...args) => run(process.execPath, [LAUNCHER, ...args], { cwd: dir, env });
  return {
    api,
    dir,
    call,
    apply: async (code, ...args) => {
      const done = await call('apply', '-f', '.', ...args);
      assert.equal(done.code, code, `${args.join(' ')}\n${done.stdout}${done.stderr}`);
      assert.ok(!(done.stdout + done.stderr).includes(PASSWORD));
      return done;
    },
    put: (name, text) => {
      mkdirSync(dirname(join(dir, name)), { recursive: true });
      writeFileSync(join(dir, name), text);
    },
    edit: (name, from, to) => {
      const before = readFileSync(join(dir, name), 'utf8');
      assert.ok(before.includes(from), from);
      writeFileSync(join(dir, name), before.replace(from, to));
    },
  };
}
