/**
 * Holds every OSCAL file that Postern writes to the official JSON schema, and then to what the schema cannot say:
 * `npm run check:oscal -- --schemas DIR`.
 */
import { parseArgs } from 'node:util';
import { oscalProblems } from '../src/evidence/oscal/constraints.fixture.ts';
import { oscalFiles } from '../src/evidence/oscal/files.ts';
import { facts } from '../src/evidence/oscal/oscal.fixture.ts';
import { oscalSchema } from './oscal-schema.ts';

const { values: given } = parseArgs({ options: { schemas: { type: 'string' } } });
if (given.schemas === undefined) throw new Error('--schemas takes the folder with the official schemas');
const problemsOf = oscalSchema(given.schemas);

let files = 0;
let problems = 0;
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

for (const text of [
  'plain',
  '',
  '\n',
  '\u2028<script>"{{ insert: param, x }}',
  '\ud800',
  'x'.repeat(70_000),
]) {
  for (const id of ['nist-800-53', 'ffiec']) {
    const packed = new Map(oscalFiles(facts(text, id)).map((file) => [file.path, file.text]));
    packed.set('assertions.json', '').set('populations/grants.ndjson', '');
    check(`${id} with ${JSON.stringify(text.slice(0, 20))}`, packed);
  }
}

process.stdout.write(`${files} OSCAL files, ${problems} problems\n`);
if (problems > 0) process.exitCode = 1;
