import type { Command } from 'commander';
import { verifyPage } from '../evidence/verify-page/asset.ts';
import { examples } from './support/command.ts';
import { print } from './support/output.ts';

export function register(program: Command): void {
  const command = program
    .command('verify-page')
    .description(
      'print the page that verifies evidence packages in a browser, offline. Take it from here rather than from a package: a page inside a package proves nothing about itself',
    );
  examples(command, 'postern verify-page > verify.html');
  command.action(() => print(verifyPage()));
}
