import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { print, printJson } from './support/output.ts';

export function register(program: Command): void {
  const version = program.command('version').description('print the version of Postern and of its Node');
  version.option('--json', 'print JSON').action(async () => {
    const facts = {
      version: packageVersion(),
      node: process.versions.node,
      platform: `${process.platform}-${process.arch}`,
    };
    if (version.opts().json) await printJson(facts);
    else await print(`postern ${facts.version} (Node ${facts.node}, ${facts.platform})\n`);
  });
}

function packageVersion(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
