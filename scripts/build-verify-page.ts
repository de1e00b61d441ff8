/**
 * Builds the page that verifies an evidence package in a browser: `src/evidence/verify-page/verify.html`, one file with
 * everything in it, from the code that the command line verifies with. The built page is kept beside its sources; a test
 * fails where it is not what they give.
 */
import * as nodeCrypto from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { builtinModules, createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = `${root}src/evidence/verify-page/`;
const PAGE = `${folder}verify.html`;
/** Where the modules of Node are for the bundler: nowhere. */
const ABSENT = 'node-absent';

/**
 * Gives `node:crypto` the page's functions, and every other name of every module of Node the value `undefined`. Code
 * that the page does not reach may import them; what it does reach is found by {@link refuseNode}.
 */
const withoutNode: Plugin = {
  name: 'without-node',
  setup(build) {
    build.onResolve({ filter: /^node:/ }, ({ path }) => ({ path, namespace: ABSENT, sideEffects: false }));
    build.onLoad({ filter: /.*/, namespace: ABSENT }, async ({ path }) => {
      const isCrypto = path === 'node:crypto';
      const here = isCrypto ? Object.keys(await import('../src/evidence/verify-page/crypto.ts')) : [];
      const all = builtinModules.includes(path.slice('node:'.length)) || path === 'node:sqlite';
      const names = all ? Object.keys(createRequire(import.meta.url)(path)) : [];
      const absent = names
        .filter((name) => /^[a-zA-Z_]\w*$/.test(name) && name !== 'default' && !here.includes(name))
        .map((name) => `const absent_${name} = undefined; export { absent_${name} as ${name} };`);
      const present = isCrypto ? ['export * from "./crypto.ts";'] : [];
      return { contents: [...present, ...absent].join('\n'), resolveDir: folder, loader: 'ts' };
    });
  },
};

async function bundle(): Promise<string> {
  const result = await build({
    entryPoints: [`${folder}browser/main.ts`],
    absWorkingDir: root,
    bundle: true,
    format: 'iife',
    target: ['es2024'],
    charset: 'utf8',
    legalComments: 'none',
    // The script is read by people: names and lines stay.
    minify: false,
    inject: [`${folder}bytes.ts`],
    plugins: [withoutNode],
    treeShaking: true,
    metafile: true,
    write: false,
    logLevel: 'silent',
  });
  refuseNode(result.metafile.outputs);
  return (result.outputFiles[0]?.text ?? '').trim();
}

/** What the page reaches must not need Node. */
function refuseNode(
  outputs: Readonly<Record<string, { inputs: Readonly<Record<string, { bytesInOutput: number }>> }>>,
): void {
  for (const { inputs } of Object.values(outputs)) {
    for (const [input, { bytesInOutput }] of Object.entries(inputs)) {
      if (input.startsWith(ABSENT) && bytesInOutput > 0) throw new Error(`the page's code uses ${input}`);
    }
  }
}

/** The page as its sources give it. */
export async function buildVerifyPage(): Promise<string> {
  const script = `\n${await bundle()}\n`;
  const style = `\n${readFileSync(`${folder}page.css`, 'utf8').trim()}\n`;
  const source = (text: string): string => `'sha256-${nodeCrypto.hash('sha256', text, 'base64')}'`;
  const csp = [
    "default-src 'none'",
    `script-src ${source(script)}`,
    `style-src ${source(style)}`,
    'worker-src blob:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  const parts: Readonly<Record<string, string>> = {
    '{{csp}}': csp,
    '<!-- style -->': `<style>${style}</style>`,
    '<!-- script -->': `<script>${script}</script>`,
  };
  const page = readFileSync(`${folder}page.html`, 'utf8');
  return page.replace(/\{\{csp\}\}|<!-- (style|script) -->/g, (place) => parts[place] ?? place);
}

if (import.meta.main) writeFileSync(PAGE, await buildVerifyPage());
