/**
 * How fast an evidence package is made and verified:
 * `npm run bench -- evidence [--commands N] [--rounds N] [--dir DIR] [--with ocsf,parquet] [--framework ID] [--json]`.
 *
 * The log has two leaves per command. One command in five has a statement of its own; the others share fifty texts and have
 * bind values of their own. Export and verification each run in a process of their own, on folders; CPU is the time that
 * process took on all its threads, its start included; verification has one for each core, and the main one.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Story } from '../src/activity/story.fixture.ts';
import { DataKeys } from '../src/core/data-keys.ts';
import { chooseFramework } from '../src/evidence/assess/choose.ts';
import { exportPackage } from '../src/evidence/export.ts';
import { PARTS } from '../src/evidence/format.ts';
import { verifyPackage } from '../src/evidence/verify.ts';
import { JournalWriter } from '../src/ledger/journal.ts';
import { PayloadStore } from '../src/ledger/payloads.ts';
import { Sequencer } from '../src/ledger/sequencer.ts';
import { median } from './support/statistics.ts';

const { values } = parseArgs({
  options: {
    commands: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '3' },
    dir: { type: 'string', default: tmpdir() },
    with: { type: 'string', default: '' },
    framework: { type: 'string' },
    json: { type: 'boolean', default: false },
    child: { type: 'string' },
    root: { type: 'string', default: '' },
    out: { type: 'string', default: '' },
  },
});

interface Sample {
  readonly seconds: number;
  readonly cpu: number;
  /** Of the main thread alone. */
  readonly mainCpu: number;
  readonly peakMiB: number;
}

/** A log of that many commands. */
function fill(root: string, commands: number): void {
  const dir = join(root, 'data');
  mkdirSync(dir, { recursive: true });
  const story = new Story().people().resource();
  const batch = story.principal('batch');
  const grant = story.grant(batch, 'CHG-1', 2000);
  const session = story.open(batch, grant, story.credential(batch, grant));
  const writer = JournalWriter.create(join(dir, 'journal'), 'bench');
  const masterKey = randomBytes(32);
  writeFileSync(join(root, 'key'), masterKey);
  const payloads = PayloadStore.open(join(dir, 'payloads.db'), DataKeys.of(masterKey));
  const sequencer = Sequencer.open({ dir, payloads });
  for (let i = 0; i < commands; i++) {
    const own = i % 5 === 0;
    const sql = own
      ? `insert into ledger.entries (account, amount) values (${i}, ${i * 7})`
      : `update ledger.accounts set balance = balance + $1 where id = $2 and region = ${i % 50}`;
    story.run(batch, session, grant, own ? 'insert' : 'update', `ledger.t${i % 40}`, sql);
    for (const { record, payloads: texts } of story.told.splice(0)) {
      const values = { kind: 'parameters', data: Buffer.from(`[{"text":"${i}"},{"text":"7"}]`) } as const;
      const all = own || texts.length === 0 ? texts : [...texts, values];
      writer.append(JSON.stringify(record), all);
    }
    if (i % 1000 === 999) writer.flush();
    if (i % 5000 === 4999) while (sequencer.step() > 0);
  }
  writer.flush();
  writer.close();
  while (sequencer.step() > 0);
  sequencer.close();
  payloads.close();
}

async function child(what: string, root: string, out: string): Promise<void> {
  const started = performance.now();
  if (what === 'export') {
    const keys = DataKeys.of(readFileSync(join(root, 'key')));
    const parts = PARTS.filter((part) => values.with.split(',').includes(part));
    const generatedBy = { id: 'bench', name: 'bench' };
    const { framework } = values;
    const chosen = framework === undefined ? null : chooseFramework({ framework, period: '2026' });
    const params = {
      parts,
      ...(chosen?.framework && { framework: chosen.framework }),
      ...(chosen?.period && { period: chosen.period }),
    };
    await exportPackage({ dataDir: join(root, 'data'), keys, params, generatedBy, outDir: out });
  } else {
    const report = await verifyPackage(out);
    if (!report.ok) throw new Error(JSON.stringify(report.findings.slice(0, 3)));
  }
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  const main = process.threadCpuUsage();
  const sample: Sample = {
    seconds: (performance.now() - started) / 1000,
    cpu: (userCPUTime + systemCPUTime) / 1e6,
    mainCpu: (main.user + main.system) / 1e6,
    peakMiB: maxRSS / 1024,
  };
  process.stdout.write(JSON.stringify(sample));
}

function run(what: string, root: string, out: string): Sample {
  const args = [
    fileURLToPath(import.meta.url),
    '--child',
    what,
    '--root',
    root,
    '--out',
    out,
    '--with',
    values.with,
    ...(values.framework === undefined ? [] : ['--framework', values.framework]),
  ];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Sample;
}

function main(): void {
  const root = mkdtempSync(join(values.dir, 'postern-bench-evidence-'));
  try {
    const commands = Number(values.commands);
    fill(root, commands);
    const samples = { export: [] as Sample[], verify: [] as Sample[] };
    for (let round = 0; round < Number(values.rounds); round++) {
      const out = join(root, `package-${round}`);
      samples.export.push(run('export', root, out));
      samples.verify.push(run('verify', root, out));
      rmSync(out, { recursive: true });
    }
    const figures = Object.entries(samples).map(([what, all]) => ({
      what,
      commands,
      seconds: median(all.map(({ seconds }) => seconds)),
      cpuSeconds: median(all.map(({ cpu }) => cpu)),
      mainCpuSeconds: median(all.map(({ mainCpu }) => mainCpu)),
      leavesPerSecond: Math.round((commands * 2) / median(all.map(({ seconds }) => seconds))),
      leavesPerCpuSecond: Math.round((commands * 2) / median(all.map(({ cpu }) => cpu))),
      peakMiB: Math.round(median(all.map(({ peakMiB }) => peakMiB))),
    }));
    if (values.json) process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`);
    else console.table(figures);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

if (values.child === 'fill') fill(values.root, Number(values.commands));
else if (values.child === undefined) main();
else await child(values.child, values.root, values.out);
