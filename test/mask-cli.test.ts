import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { CommandLine } from './support/command-line.ts';

interface Rule {
  readonly id: string;
  readonly name: string;
  readonly revision: number;
  readonly status: string;
  readonly match: { readonly columns: readonly string[]; readonly names: readonly string[] };
  readonly transform: { readonly kind: string };
}
interface Tried {
  readonly masked: string | null;
  readonly rules: readonly { readonly name: string; readonly revision: number }[];
}

let shell: CommandLine;
before(async () => {
  shell = await CommandLine.start();
  await shell.prepare();
});
after(() => shell.stop());

const tried = (...args: readonly string[]): Promise<Tried> => shell.json<Tried>(['mask', 'test', ...args]);

describe('mask rules at the command line', () => {
  it('are made of classes, columns and detectors, listed and shown', async () => {
    const mail = await shell.json<Rule>([
      ...['mask', 'add', '--name', 'mail', '--resource', 'ledger-db', '--class', 'contact'],
      ...['--transform', 'partial', '--keep', '3'],
    ]);
    assert.ok(mail.match.names.includes('*email*'));
    await shell.ok([
      ...['mask', 'add', '--name', 'pay', '--column', 'hr.salaries.amount', '--column', '"Odd, one".t.c'],
      ...['--transform', 'generalise', '--bucket', '10000', '--reason', 'CHG-9'],
    ]);
    await shell.ok(['mask', 'add', '--name', 'iban', '--detector', 'iban,card', '--principal', 'batch']);
    assert.match(await shell.ok(['mask', 'list']), /^MASK .*\nmail {2,}1 .*\npay {2,}1 {2,}everywhere/);
    assert.match(
      await shell.ok(['mask', 'show', 'pay']),
      /columns {2,}hr\.salaries\.amount, "Odd, one"\.t\.c/,
    );
    const { items } = await shell.json<{ items: Rule[] }>(['mask', 'list', '--principal', 'batch']);
    assert.deepEqual(items.map(({ name }) => name).sort(), ['iban', 'mail', 'pay']);
  });

  it('can be tried on a text, which may come from standard input', async () => {
    assert.deepEqual(await tried('ada@bank.example', '--resource', 'ledger-db'), {
      masked: '****ple',
      rules: [{ name: 'mail', revision: 1 }],
    });
    assert.equal((await tried('ada@bank.example')).masked, 'ada@bank.example');
    assert.equal(
      (await tried('48200', '--column', 'hr.salaries.amount', '--type', 'numeric')).masked,
      '40000',
    );
    const piped = await shell.ok(['mask', 'test', '--principal', 'batch'], {
      input: 'pay DE89 3704 0044 0532 0130 00\n',
    });
    assert.equal(piped, 'pay [masked]\n');
  });

  it('a trial with hashes tells nothing of the hashes of the installation: each call has a key of its own', async () => {
    await shell.ok(['mask', 'add', '--name', 'hashed', '--detector', 'email', '--transform', 'hash']);
    const once = await tried('ada@bank.example');
    assert.match(String(once.masked), /^[0-9a-f]{32}$/);
    assert.notEqual((await tried('ada@bank.example')).masked, once.masked);
  });

  it('are changed with a reason and a new revision, and retired for good', async () => {
    const refused = await shell.call(['mask', 'update', 'pay', '--transform', 'null']);
    assert.equal(refused.code, 2);
    const changed = await shell.json<Rule>([
      ...['mask', 'update', 'pay', '--transform', 'null', '--reason', 'still too much'],
    ]);
    assert.deepEqual([changed.revision, changed.transform.kind], [2, 'null']);
    assert.deepEqual(changed.match.columns, ['hr.salaries.amount', '"Odd, one".t.c']);
    assert.equal((await tried('48200', '--column', 'hr.salaries.amount')).masked, null);
    await shell.ok(['mask', 'retire', 'pay', '--reason', 'table gone']);
    const again = await shell.call(['mask', 'add', '--name', 'pay', '--column', 'a.b.c']);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /POSTERN_CONFLICT/);
    const shown = await shell.json<{ items: { type: string; subject: { name: string } }[] }>([
      ...['activity', '--type', 'change'],
    ]);
    assert.deepEqual(
      shown.items.flatMap(({ type, subject }) => (subject.name === 'pay' ? [type] : [])).sort(),
      ['mask.created', 'mask.retired', 'mask.updated'],
    );
  });

  it('an owner reads them and cannot lift them', async () => {
    await shell.ok(['person', 'add', 'Olaf', '--email', 'olaf@bank.example', '--role', 'owner']);
    const token = (await shell.ok(['person', 'token', 'olaf@bank.example'])).trim();
    const env = { POSTERN_TOKEN: token };
    assert.match(await shell.ok(['mask', 'show', 'mail'], { env }), /^mask {2,}mail/);
    const lifted = await shell.call(['mask', 'retire', 'mail', '--reason', 'in my way'], { env });
    assert.equal(lifted.code, 1);
    assert.match(lifted.stderr, /POSTERN_FORBIDDEN/);
    assert.equal((await shell.json<Rule>(['mask', 'show', 'mail'])).status, 'active');
  });

  it('calls that make no sense end with 2 or are refused, and make no rule', async () => {
    const before = (await shell.json<{ items: Rule[] }>(['mask', 'list'])).items.length;
    for (const [code, args] of [
      [2, ['--class', 'contact', '--keep', '4']],
      [2, ['--class', 'contact', '--transform', 'show']],
      [2, ['--class', 'everything']],
      [2, ['--detector', 'card,everything']],
      [1, ['--class', 'contact', '--transform', 'hash', '--keep', '4']],
      [1, []],
      [1, ['--column', 'salaries.amount']],
    ] as const) {
      const done = await shell.call(['mask', 'add', ...args]);
      assert.equal(done.code, code, `${args.join(' ')}: ${done.stderr}`);
    }
    assert.equal((await shell.json<{ items: Rule[] }>(['mask', 'list'])).items.length, before);
  });

  it('are in the evidence', async () => {
    const out = join(mkdtempSync(join(shell.home, 'evidence-')), 'package');
    await shell.ok(['evidence', 'export', '--out', out]);
    assert.match(await shell.ok(['verify', out]), /VERIFIED/);
    const rules = shell
      .read(join(out.slice(shell.home.length + 1), 'populations', 'masks.ndjson'))
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as Rule).name);
    assert.deepEqual(rules, ['mail', 'pay', 'iban', 'hashed']);
  });
});
