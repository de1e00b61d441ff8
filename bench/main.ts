/**
 * Runs benchmarks: `npm run bench` all of them, `npm run bench -- NAME [OPTION...]` the one in `bench/NAME.ts`.
 */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Not benchmarks: this file, and the programs that some of them compare with. */
const OTHERS = ['main', 'relay', 'http-proxy'];

const folder = fileURLToPath(new URL('.', import.meta.url));
const names = readdirSync(folder)
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
  .map((file) => file.slice(0, -'.ts'.length))
  .filter((name) => !OTHERS.includes(name))
  .sort();

const [wanted, ...args] = process.argv.slice(2);
if (wanted !== undefined && !names.includes(wanted)) {
  process.stderr.write(`"${wanted}" is no benchmark; there are: ${names.join(', ')}\n`);
  process.exitCode = 2;
} else {
  for (const name of wanted === undefined ? names : [wanted]) {
    process.stderr.write(`== ${name}\n`);
    const child = spawn(process.execPath, [`${folder}${name}.ts`, ...args], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    if (code !== 0) process.exitCode = 1;
  }
}
