/**
 * Everything that can be said about the code without running it: `npm run check`. The tools run side by
 * side; what each said is shown when it ends.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

const TOOLS: readonly (readonly [what: string, command: string, ...args: string[]])[] = [
  ['format and lint', 'biome', 'check', '.'],
  ['types', 'tsc', '--noEmit'],
  ['types of the page', 'tsc', '--noEmit', '--project', 'src/evidence/verify-page/browser'],
  ['import rule', 'depcruise', 'src', '--config', '.dependency-cruiser.cjs'],
  ['dead code', 'knip'],
];

async function passes([what, command, ...args]: (typeof TOOLS)[number]): Promise<boolean> {
  const started = performance.now();
  const child = spawn(`${root}node_modules/.bin/${command}`, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(`${code === 0 ? 'ok  ' : 'FAIL'} ${what} (${command}, ${seconds} s)\n`);
  if (code !== 0) process.stdout.write(`${said.trim()}\n\n`);
  return code === 0;
}

const results = await Promise.all(TOOLS.map(passes));
process.exitCode = results.every(Boolean) ? 0 : 1;
