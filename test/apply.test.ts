import assert from 'node:assert/strict';
import { rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { itemsOf } from '../src/api/api.fixture.ts';
import { readManifests } from '../src/cli/apply/manifests.ts';
import { CliError } from '../src/cli/support/failure.ts';
import { PASSWORD, scene } from './support/declared.ts';

const principal = (name: string, more = ''): string => `apiVersion: postern/v1
kind: Principal
metadata: { name: ${name} }
spec:
  kind: agent
  owner: grace@bank.example
  backupOwner: ada@bank.example
  purpose: x
  environment: test
${more}`;

test('the example is planned, applied, and then is as the files say', async (context) => {
  const s = await scene(context);
  const plan = await s.apply(2, '--set', 'bank', '--plan');
  assert.match(plan.stdout, /\+ Resource ledger-db {2}resources\.yaml:2\n/);
  assert.match(plan.stdout, /\+ Binding ci-ledger-migrations to https:\/\/token\.actions/);
  assert.match(plan.stderr, /Plan: 7 to make, 0 to change, 0 to end/);
  assert.deepEqual(itemsOf(await s.api.call('GET', '/v1/resources')), [], 'a plan does nothing');

  const done = JSON.parse((await s.apply(0, '--set', 'bank', '--json')).stdout) as {
    done: { kind: string; name: string }[];
    left: unknown[];
  };
  assert.deepEqual(
    done.done.map(({ kind }) => kind),
    ['Resource', 'Principal', 'Principal', 'Binding', 'MaskRule', 'MaskRule', 'AccessPolicy'],
    'what is named before what names it',
  );
  assert.deepEqual(done.left, []);
  const shown = (await s.api.call('GET', '/v1/principals/nightly-ledger-batch')).body;
  assert.deepEqual(shown.tags, { 'cost-centre': '4711', team: 'ledger' });
  const view = await s.api.control.resourceView('ledger-db');
  assert.equal(view.upstream.password, PASSWORD);

  const written = s.api.sink.written.length;
  assert.match((await s.apply(0, '--set', 'bank')).stderr, /Everything is as the files say/);
  await s.apply(0, '--set', 'bank', '--plan');
  await s.apply(0, '--set', 'bank', '--drift');
  assert.equal(s.api.sink.written.length, written, 'a second time changes nothing');
});

test('a change is shown field by field, applied, and recorded with its reason; drift is found', async (context) => {
  const s = await scene(context);
  await s.apply(0);
  s.edit('principals.yaml', 'team: ledger', 'team: core');
  s.edit('principals.yaml', 'reviewIntervalDays: 90', 'reviewIntervalDays: 30');
  s.edit('resources.yaml', 'classification: restricted', 'classification: confidential');
  s.edit('masks.json', '"hash"', '"null"');
  const plan = await s.apply(2, '--plan');
  assert.match(plan.stdout, /~ Principal nightly-ledger-batch/);
  assert.match(plan.stdout, / {4}reviewIntervalDays: 90 -> 30\n/);
  assert.match(plan.stdout, / {4}classification: restricted -> confidential\n/);
  await s.apply(0, '--reason', 'CHG-7 in git');
  const reasons = s.api.sink
    .changes()
    .slice(-3)
    .map(({ type, reason }) => [type, reason]);
  assert.deepEqual(reasons, [
    ['resource.updated', 'CHG-7 in git'],
    ['principal.updated', 'CHG-7 in git'],
    ['mask.updated', 'CHG-7 in git'],
  ]);
  await s.apply(0, '--drift');
  const hand = { sponsor: 'Somebody', tags: { extra: 'x' }, reason: 'by hand' };
  await s.api.call('POST', '/v1/principals/nightly-ledger-batch/update', hand);
  const drift = JSON.parse((await s.apply(2, '--drift', '--json')).stdout) as {
    actions: { name: string; changes: { field: string; before: unknown; after: unknown }[] }[];
  };
  assert.deepEqual(
    drift.actions.map(({ name, changes }) => [name, changes.map(({ field }) => field)]),
    [['nightly-ledger-batch', ['tags', 'sponsor']]],
  );
  await s.apply(0);
  await s.apply(0, '--drift');
});

test('prune ends what was made for the set and nothing else, and not without being told to', async (context) => {
  const s = await scene(context, false);
  await s.api.call('POST', '/v1/principals', {
    ...{ name: 'by-hand', kind: 'agent', owner: 'grace@bank.example', backupOwner: 'ada@bank.example' },
    ...{ purpose: 'x', environment: 'test' },
  });
  const binding = `  bindings:
    - { issuer: https://issuer.example, audience: postern, claims: { sub: one } }
`;
  s.put('a.yaml', `${principal('one', binding)}---\n${principal('two', binding.replace('one', 'two'))}`);
  s.put('b.yaml', principal('by-hand'));
  await s.apply(0, '--set', 'bank');
  await s.apply(0, '--set', 'other');
  s.put('a.yaml', principal('two'));
  rmSync(join(s.dir, 'b.yaml'));
  assert.match((await s.apply(0, '--set', 'bank')).stderr, /Everything/, 'nothing ends without --prune');
  await s.apply(0, '--set', 'other', '--prune', '--yes');
  const drift = await s.apply(2, '--set', 'bank', '--drift');
  assert.match(drift.stdout, /- Binding two {2}declared no more\n- Principal one {2}declared no more\n$/);
  const asked = await s.apply(2, '--set', 'bank', '--prune');
  assert.match(asked.stderr, /Say --yes where there is no terminal/);
  await s.apply(0, '--set', 'bank', '--prune', '--yes');
  const status = async (name: string) =>
    String((await s.api.call('GET', `/v1/principals/${name}`)).body.status);
  assert.deepEqual(
    [await status('one'), await status('two'), await status('by-hand')],
    ['retired', 'active', 'active'],
  );
  assert.deepEqual(itemsOf(await s.api.call('GET', '/v1/principals/two/bindings')), []);
  await s.apply(0, '--set', 'bank', '--prune', '--yes');
  await s.apply(0, '--set', 'bank', '--drift');
  assert.deepEqual(
    itemsOf(await s.api.call('GET', '/v1/sets/bank')).map(({ object }) => String(object?.name)),
    ['two'],
  );
});

test('everything wrong is told with file and line before anything is changed', async (context) => {
  const s = await scene(context, false);
  s.put('good.yaml', principal('good'));
  s.put(
    'bad.yaml',
    `${principal('typo', '  colour: red\n  reviewIntervalDays: 9999\n')}---
${principal('good')}---
apiVersion: postern/v2
kind: Principal
metadata: { name: x, labels: {} }
---
apiVersion: postern/v1
kind: Widget
metadata: { name: w }
`,
  );
  const first = await s.apply(1);
  for (const line of [
    /bad\.yaml:23: apiVersion is postern\/v1/,
    /bad\.yaml:25: "labels" is not known here/,
  ]) {
    assert.match(first.stderr, line);
  }
  assert.match(first.stderr, /good\.yaml:2: Principal good is declared in bad\.yaml:14 already/);
  s.put('bad.yaml', principal('typo', '  colour: red\n  reviewIntervalDays: 9999\n'));
  const second = await s.apply(1);
  assert.match(second.stderr, /bad\.yaml:10: spec\.colour is not known here/);
  assert.match(second.stderr, /bad\.yaml:11: spec\.reviewIntervalDays must be <= 366/);
  // What only the server can know.
  s.put('bad.yaml', principal('lost').replace('grace@', 'nobody@'));
  s.put('worse.yaml', principal('UPPER'));
  const third = await s.apply(1, '--json');
  const { details } = (JSON.parse(third.stderr) as { error: { details: string[] } }).error;
  assert.deepEqual(
    details.map((line) => line.slice(0, 22)),
    ['bad.yaml:2: Principal ', 'worse.yaml:2: Principa'],
  );
  assert.match(details[0] ?? '', /There is no person "nobody@bank\.example"/);
  assert.deepEqual(itemsOf(await s.api.call('GET', '/v1/principals')), []);
  assert.match((await s.call('apply', '-f', 'missing')).stderr, /cannot read missing/);
  assert.equal((await s.call('apply', '-f', '.', '--prune')).code, 2);
  assert.equal((await s.call('apply', '-f', '.', '--plan', '--drift')).code, 2);
});

test('a principal is bound to keys and certificates as to tokens, however they are written', async (context) => {
  const s = await scene(context, false);
  const print = Array.from({ length: 32 }, (_, n) => (n + 160).toString(16).toUpperCase()).join(':');
  const binding = `  bindings:\n    - { by: public_key, value: "${print}" }\n`;
  s.put('a.yaml', principal('bound', binding));
  await s.apply(0, '--set', 'bank');
  assert.match((await s.apply(0, '--set', 'bank')).stderr, /Everything is as the files say/);
  const [made] = itemsOf(await s.api.call('GET', '/v1/principals/bound/bindings'));
  assert.equal(made?.kind, 'certificate');
  s.put('a.yaml', principal('bound', binding.replace('A0:', 'B0:')));
  await s.apply(0, '--set', 'bank', '--prune', '--yes');
  const now = itemsOf(await s.api.call('GET', '/v1/principals/bound/bindings'));
  assert.deepEqual(
    now.map(({ value }) => String(value).slice(0, 4)),
    ['b0a1'],
  );
  s.put('a.yaml', principal('bound', binding.replace('value:', 'colour: red, value:')));
  assert.match((await s.apply(1)).stderr, /a\.yaml:11: spec\.bindings\.0\.colour is not known here/);
  s.put('a.yaml', principal('bound', '  bindings:\n    - { spiffeId: "spiffe://bank.example/batch" }\n'));
  assert.match(
    (await s.apply(1)).stderr,
    /a\.yaml:2: Binding bound to spiffe:.*no trust domain "bank\.example"/,
  );
});

test('a secret in a file is refused, and one that it points to is never shown', async (context) => {
  const s = await scene(context);
  s.edit('resources.yaml', 'passwordFrom:\n      env: LEDGER_DB_PASSWORD', `password: ${PASSWORD}`);
  assert.match((await s.apply(1)).stderr, /resources\.yaml:\d+: spec\.upstream\.password is not known here/);
  s.edit('resources.yaml', `password: ${PASSWORD}`, 'passwordFrom: { env: NOT_SET }');
  assert.match((await s.apply(1)).stderr, /the environment variable NOT_SET is not set/);
  s.edit('resources.yaml', 'NOT_SET', 'POSTERN_TOKEN');
  assert.match((await s.apply(1)).stderr, /resources\.yaml:\d+: POSTERN_TOKEN is for Postern itself/);
  s.edit('resources.yaml', '{ env: POSTERN_TOKEN }', '{ file: ../pw }');
  writeFileSync(join(s.dir, '..', 'pw'), `${PASSWORD}\n`);
  const plan = await s.apply(2, '--plan', '--json');
  assert.ok(!plan.stdout.includes('pw'));
  await s.apply(0);
  assert.equal((await s.api.control.resourceView('ledger-db')).upstream.password, PASSWORD);
  assert.ok(!s.api.sink.written.join('').includes(PASSWORD));
});

test('hostile files: alias bombs, tags, duplicate keys, links, prototypes, control characters', async (context) => {
  const s = await scene(context, false);
  const bomb = ['a: &a [x, x, x, x, x, x, x, x, x]'];
  for (const [at, of] of ['ba', 'cb', 'dc', 'ed', 'fe', 'gf', 'hg', 'ih'].map((pair) => [...pair])) {
    bomb.push(`${at}: &${at} [${Array.from({ length: 9 }, () => `*${of}`).join(', ')}]`);
  }
  writeFileSync(join(s.dir, '..', 'secret.yaml'), 'password: do-not-show\n');
  symlinkSync(join(s.dir, '..', 'secret.yaml'), join(s.dir, 'link.yaml'));
  for (const [text, expected] of [
    [bomb.join('\n'), /Excessive alias count/],
    ['apiVersion: !!js/function "function () {}"', /tag/i],
    [`${principal('x')}  kind: agent\n`, /bad\.yaml:\d+: Map keys must be unique/],
    ['{"__proto__": {"apiVersion": "postern/v1"}, "kind": "Principal"}', /apiVersion is postern/],
    ['- - - -', /a declaration has apiVersion/],
    ['metadata: [', /bad\.yaml:\d+: /],
    ['"just text"', /a declaration has apiVersion/],
    [' '.repeat(1024 * 1024 + 1), /longer than 1048576 bytes/],
  ] as const) {
    s.put('bad.yaml', text);
    assert.throws(
      () => readManifests([s.dir]),
      (error: unknown) => {
        assert.ok(error instanceof CliError, String(error));
        const said = [error.message, ...error.details].join('\n');
        assert.match(said, expected, text.slice(0, 80));
        assert.ok(!said.includes('do-not-show'));
        return true;
      },
      text.slice(0, 80),
    );
  }
  for (const [text, expected] of [
    [principal('x', '  tags: {"__proto__": "x"}\n'), /spec\.tags\.__proto__ is not known here/],
    [principal('hostile').replace('purpose: x', 'purpose: "a\\u202eb"'), /control or invisible/],
    [principal('hostile').replace('purpose: x', 'purpose: "\\u001b[31m"'), /control or invisible/],
  ] as const) {
    s.put('bad.yaml', text);
    const { stderr } = await s.apply(1);
    assert.match(stderr, expected);
    assert.ok(!stderr.includes('\u001b[31m'));
    assert.ok(!stderr.includes('CLI_INTERNAL'), stderr);
  }
  assert.deepEqual(itemsOf(await s.api.call('GET', '/v1/principals')), []);
});

test('what fails on the way is told with what was done and what was not; the next time goes on from there', async (context) => {
  const s = await scene(context, false);
  s.put('a.yaml', ['one', 'two', 'three'].map((name) => principal(name)).join('---\n'));
  // The rehearsal is right, and then somebody else is faster.
  const create = s.api.control.principals.create.bind(s.api.control.principals);
  let calls = 0;
  context.mock.method(s.api.control.principals, 'create', async (...args: Parameters<typeof create>) => {
    calls += 1;
    if (calls === 2) s.api.sink.failing = true;
    try {
      return await create(...args);
    } finally {
      s.api.sink.failing = false;
    }
  });
  const failed = await s.apply(1, '--set', 'bank', '--json');
  const told = JSON.parse(failed.stdout) as { done: { name: string }[]; left: { name: string }[] };
  assert.deepEqual(
    [told.done, told.left].map((all) => all.map(({ name }) => name)),
    [['one'], ['two', 'three']],
  );
  assert.match(failed.stderr, /Principal two: .*\(1 changes were made, 2 were not\)/);
  const again = JSON.parse((await s.apply(0, '--set', 'bank', '--json')).stdout) as typeof told;
  assert.deepEqual(
    again.done.map(({ name }) => name),
    ['two', 'three'],
  );
});
