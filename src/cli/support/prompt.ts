import { createInterface } from 'node:readline/promises';
import { CliError, usageError } from './failure.ts';

/**
 * Asks for a secret on the terminal without showing what is typed.
 *
 * @param elsewhere how to give it where there is no terminal
 * @throws CliError when there is no terminal to ask on, or the person gives up with Ctrl-C or Ctrl-D
 */
export async function askSecret(question: string, elsewhere: string): Promise<string> {
  const { stdin, stderr } = process;
  if (!stdin.isTTY) throw usageError(`no ${question.toLowerCase()} given`, elsewhere);
  stderr.write(`${question} (not shown): `);
  stdin.setRawMode(true);
  stdin.setEncoding('utf8');
  try {
    let typed = '';
    for await (const chunk of stdin.iterator({ destroyOnReturn: false })) {
      for (const key of chunk as string) {
        if (key === '\r' || key === '\n') {
          if (typed === '') throw usageError(`no ${question.toLowerCase()} given`, elsewhere);
          return typed;
        }
        if (key === '\x03' || key === '\x04') throw new CliError('CLI_ABORTED', 'given up');
        if (key === '\x7f' || key === '\b') typed = [...typed].slice(0, -1).join('');
        else if (key >= ' ' && typed.length < 4096) typed += key;
      }
    }
    throw new CliError('CLI_ABORTED', 'the terminal was closed');
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write('\n');
  }
}

/** Asks for a line on the terminal. */
export async function ask(question: string, elsewhere: string): Promise<string> {
  if (!process.stdin.isTTY) throw usageError(`no ${question.toLowerCase()} given`, elsewhere);
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = (await lines.question(`${question}: `)).trim();
    if (answer === '') throw usageError(`no ${question.toLowerCase()} given`, elsewhere);
    return answer;
  } finally {
    lines.close();
  }
}
