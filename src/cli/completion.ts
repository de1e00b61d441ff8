import { Argument, type Command } from 'commander';
import { examples } from './support/command.ts';
import { completionScript, SHELLS, type Shell } from './support/completion-script.ts';
import { print } from './support/output.ts';

export function register(program: Command): void {
  const command = program
    .command('completion')
    .description('print completions for your shell')
    .addArgument(new Argument('<shell>', 'which shell').choices(SHELLS));
  examples(
    command,
    'source <(postern completion bash)',
    'postern completion zsh > ~/.zfunc/_postern',
    'postern completion fish > ~/.config/fish/completions/postern.fish',
  );
  command.action(async (shell: Shell) => print(completionScript(shell, program)));
}
