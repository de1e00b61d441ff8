/**
 * Makes packages by every framework, of an empty log and of one with hostile texts in it, and holds each of their OSCAL files to the
 * official JSON schema, and then to what the schema cannot say: `npm run check:oscal -- --schemas DIR`.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chooseFramework } from '../src/evidence/assess/choose.ts';
import { frameworkIds } from '../src/evidence/assess/library.ts';
import { oscalProblems } from '../src/evidence/oscal/constraints.fixture.ts';
import { oscalFiles } from '../src/evidence/oscal/files.ts';
import { facts } from '../src/evidence/oscal/oscal.fixture.ts';
import { Bank, tellNights } from '../src/evidence/package.fixture.ts';
import { listFolder } from '../src/evidence/zip.ts';
import { oscalSchema } from './oscal-schema.ts';

/** What somebody may have typed wherever they can. */
const HOSTILE = ['plain', '', '\n', '\u2028<script>"{{ insert: param, x }}', '\ud800', 'x'.repeat(70_000)];

const { values: given } = parseArgs({ options: { schemas: { type: 'string' } } });
if (given.schemas === undefined) throw new Error('--schemas takes the folder with the official schemas');
const problemsOf = oscalSchema(given.schemas);

let files = 0;
let problems = 0;

for (const text of HOSTILE) {
  for (const id of ['nist-800-53', 'ours']) {
    const packed = new Map(oscalFiles(facts(text, id)).map((file) => [file.path, file.text]));
    packed.set('assertions.json', '').set('populations/grants.ndjson', '');
    check(`${id} with ${JSON.stringify(text.slice(0, 20))}`, packed);
  }
}
for (const told of [false, true]) {
  const bank = new Bank();
  try {
    await bank.open();
    if (told) tellNights(bank.story);
    await bank.log();
    for (const id of frameworkIds()) {
      const { framework, period } = chooseFramework({ framework: id, period: '2026' });
      const dir = await bank.export({ framework: framework ?? undefined, period: period ?? undefined });
      check(`${id} of ${told ? 'a log' : 'an empty log'}`, filesOf(dir));
    }
  } finally {
    await bank.close();
  }
}

process.stdout.write(`${files} OSCAL files, ${problems} problems\n`);
if (files === 0 || problems > 0) process.exitCode = 1;

function check(name: string, packed: ReadonlyMap<string, string>): void {
  const found = [...packed]
    .filter(([path]) => path.startsWith('oscal/'))
    .flatMap(([path, text]) => {
      files += 1;
      return problemsOf(text).map((problem) => `${path}: ${problem}`);
    })
    .concat(oscalProblems(packed));
  problems += found.length;
  for (const problem of found.slice(0, 20)) process.stdout.write(`FAIL ${name}: ${problem}\n`);
}

function filesOf(dir: string): ReadonlyMap<string, string> {
  return new Map(listFolder(dir).files.map((path) => [path, readFileSync(join(dir, path), 'utf8')]));
}
