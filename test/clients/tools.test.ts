/** PostgreSQL's own programs, Debian's and the newest: what they print and make through Postern is what they print and make directly. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ensureDebianPackages, PGBENCH, PSQL } from '../../scripts/need.ts';
import { run } from '../support/processes.ts';
import { psqlSession } from './clients.ts';
import { ensureNewest, NEWEST_PROGRAMS, NEWEST_PROGRAMS_ENV } from './newest.ts';
import { assertSameLines, DUMP_SCOPE, type Side, Stage } from './stage.ts';

const SCRIPTS = fileURLToPath(new URL('./scripts/', import.meta.url));

/** What docs/clients.md says that these programs need. */
const RESTORE_SCOPE = 'all on plain.*; execute on pg_catalog.setval, pg_catalog.nextval';
const BENCH_SETUP_SCOPE = 'all on public.*';
const BENCH_SCOPE = 'select, insert, update, truncate, maintain on public.pgbench_*';

/** A program of Debian's release, or the newest. */
interface Edition {
  readonly version: string;
  readonly path: (program: string) => string;
  readonly env: Readonly<Record<string, string>>;
}

const DEBIANS: Edition = { version: '15', path: (program) => program, env: {} };
const NEWEST: Edition = {
  version: '18',
  path: (program) => join(NEWEST_PROGRAMS, program),
  env: NEWEST_PROGRAMS_ENV,
};

describe("PostgreSQL's own programs", () => {
  let stage: Stage;
  let directory: string;
  before(async () => {
    ensureDebianPackages([PSQL, PGBENCH]);
    ensureNewest();
    directory = mkdtempSync(join(tmpdir(), 'postern-tools-'));
    stage = await Stage.start();
  });
  after(async () => {
    await stage?.stop();
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  });

  /** Runs a program to its end, which must be good, with standard error behind standard output. */
  async function play(
    side: Side,
    edition: Edition,
    program: string,
    args: readonly string[],
  ): Promise<string> {
    const path = edition.path(program);
    const ended = await run(path, args, { env: { ...side.env, ...edition.env }, timeoutMs: 120_000 });
    const said = side.neutral(`${ended.stdout}\n--- standard error\n${ended.stderr}`);
    assert.equal(ended.code, 0, `${side.name}: ${program} ${args.join(' ')}\n${said.slice(-3000)}`);
    return said;
  }

  for (const edition of [DEBIANS, NEWEST]) {
    it(`psql, of PostgreSQL ${edition.version}: a session with all its meta-commands`, async (t) => {
      await tellVersion(t, edition, 'psql');
      const [direct, through] = await stage.sides(`psql ${edition.version}`);
      const session = (side: Side): Promise<string> => psqlSession(side, edition.path('psql'), edition.env);
      assertSameLines(await session(through), await session(direct));
      await stage.refusedOnlySecrets(through.principal);
    });

    it(`pgbench, of PostgreSQL ${edition.version}: set-up, its three modes, pipelines`, async (t) => {
      await tellVersion(t, edition, 'pgbench');
      const name = `pgbench ${edition.version}`;
      const [direct, maker] = await stage.sides(name, BENCH_SETUP_SCOPE);
      for (const side of [direct, maker]) {
        await play(side, edition, 'pgbench', ['--initialize', '--scale=1', '--quiet']);
      }
      const through = await stage.as(`pgbench-${edition.version}`, BENCH_SCOPE, maker);
      for (const mode of ['simple', 'extended', 'prepared']) {
        const common = [`--protocol=${mode}`, '--random-seed=7', '--client=4', '--jobs=2'];
        const own = [...common, '--transactions=20', '--no-vacuum', '--file'];
        const runs = [
          [...common, '--transactions=100'],
          [...own, join(SCRIPTS, 'pgbench.sql')],
          // Pipelines are of the extended protocol.
          ...(mode === 'simple' ? [] : [[...own, join(SCRIPTS, 'pgbench-pipeline.sql')]]),
        ];
        for (const args of runs) {
          const expected = withoutTimes(await play(direct, edition, 'pgbench', args));
          assertSameLines(withoutTimes(await play(through, edition, 'pgbench', args)), expected);
          assert.match(expected, /number of failed transactions: 0 /);
        }
      }
      const balance =
        'select (select sum(bbalance) from pgbench_branches), (select sum(abalance) from pgbench_accounts), count(*), sum(delta) from pgbench_history';
      const args = ['--no-psqlrc', '--command', balance];
      assertSameLines(await play(through, edition, 'psql', args), await play(direct, edition, 'psql', args));
    });
  }

  it('pg_dump and pg_restore of PostgreSQL 18: plain, custom and directory format, with several jobs', async (t) => {
    const edition = NEWEST;
    await tellVersion(t, edition, 'pg_dump');
    const [direct, through] = await stage.sides('pg_dump', DUMP_SCOPE);
    const schemas = ['--schema=conf', '--schema=plain', '--restrict-key=conformance'];
    for (const style of [
      [],
      ['--inserts', '--rows-per-insert=50'],
      ['--column-inserts'],
      ['--schema-only'],
      ['--data-only'],
    ]) {
      const expected = await play(direct, edition, 'pg_dump', [...schemas, ...style]);
      assertSameLines(await play(through, edition, 'pg_dump', [...schemas, ...style]), expected);
      assert.ok(expected.length > 3000);
    }
    const plain = ['--schema=plain', '--no-owner', '--no-privileges'];
    const archives = { direct: join(directory, 'direct'), through: join(directory, 'through') };
    for (const side of [direct, through]) {
      const out = archives[side.name];
      await play(side, edition, 'pg_dump', [...plain, '--format=custom', `--file=${out}.custom`]);
      await play(side, edition, 'pg_dump', [
        ...plain,
        '--format=directory',
        '--jobs=2',
        `--file=${out}.parts`,
      ]);
    }
    const asText = async (archive: string): Promise<string> => {
      const args = ['--restrict-key=conformance', '--file=-', archive];
      return (await play(direct, edition, 'pg_restore', args)).replaceAll(
        /^-- (?:Started|Completed) on .*$/gm,
        '',
      );
    };
    for (const kind of ['custom', 'parts']) {
      assertSameLines(
        await asText(`${archives.through}.${kind}`),
        await asText(`${archives.direct}.${kind}`),
      );
    }
    // Through Postern into an empty database: what is dumped of it directly is what was dumped before.
    const before = await play(direct, edition, 'pg_dump', [...schemas.slice(1), ...plain]);
    for (const [kind, jobs] of [
      ['custom', '1'],
      ['parts', '2'],
    ] as const) {
      const [inside, outside] = await stage.sides(`pg_restore ${kind}`, RESTORE_SCOPE, 'template1');
      const args = ['--no-owner', '--no-privileges', '--exit-on-error', `--jobs=${jobs}`];
      const database = `--dbname=${outside.env.PGDATABASE}`;
      await play(outside, edition, 'pg_restore', [...args, database, `${archives.through}.${kind}`]);
      assertSameLines(
        await play({ ...inside, env: { ...inside.env, PGDATABASE: outside.database } }, edition, 'pg_dump', [
          ...schemas.slice(1),
          ...plain,
        ]),
        before,
      );
    }
  });

  async function tellVersion(t: TestContext, edition: Edition, program: string): Promise<void> {
    const { stdout } = await run(edition.path(program), ['--version'], {
      env: { ...process.env, ...edition.env },
    });
    t.diagnostic(stdout.trim());
  }
});

/** Without what depends on the clock. */
function withoutTimes(report: string): string {
  return report.replaceAll(
    /^(?:latency|initial connection time|tps|pgbench: vacuuming).*$|[\d.]+ s(?:econds)?\b/gm,
    '',
  );
}
