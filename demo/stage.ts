/** How the demo speaks: steps, sentences, command lines, and what these print. */
import pc from 'picocolors';

const WIDTH = 96;
let steps = 0;
let tail = '\n\n';

/** Something in the story did not go as it must. */
export class Unexpected extends Error {
  override readonly name = 'Unexpected';
}

/** @throws Unexpected when the condition does not hold: the demo is a check too */
export function expect(condition: boolean, what: string, seen = ''): asserts condition {
  if (!condition) throw new Unexpected(seen === '' ? what : `${what}. Seen:\n${seen.trim()}`);
}

export function title(text: string): void {
  gap();
  write(`${pc.bold(pc.inverse(` ${text} `))}\n`);
}

/** Begins the next step of the story. */
export function step(text: string): void {
  steps += 1;
  gap();
  write(`\n${pc.bold(pc.cyan(`${steps}. ${text}`))}\n`);
}

/** A paragraph, wrapped. */
export function say(text: string): void {
  gap();
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && line.length + word.length + 1 > WIDTH) {
      write(`${line}\n`);
      line = '';
    }
    line += (line === '' ? '' : ' ') + word;
  }
  write(`${line}\n`);
}

/** What was found as it must be. */
export function good(text: string): void {
  write(`  ${pc.green('✓')} ${text}\n`);
}

/** A command line, as it would be typed. Long ones are broken before their options. */
export function commandLine(words: readonly string[]): void {
  const lines: string[] = [];
  let line = '';
  let behind = false;
  for (const word of words) {
    const breaks = !behind && (word === '--' || word.startsWith('--'));
    if (breaks && line.length + word.length + 30 > WIDTH) {
      lines.push(line);
      line = '     ';
    }
    if (word === '--') behind = true;
    line += (line === '' ? '' : ' ') + quote(word);
  }
  lines.push(line);
  gap();
  write(`  ${pc.dim('$')} ${pc.bold(lines.join(' \\\n'))}\n`);
}

function quote(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  return word.includes('"') || word.includes('$') ? `'${word}'` : `"${word}"`;
}

/** Writes what a program prints, piece by piece, set in under its command line. */
export class Output {
  #atLineStart = true;

  write(text: string): void {
    for (const piece of text.split(/(?<=\n)/)) {
      if (this.#atLineStart && piece.trim() !== '') write('  ');
      write(piece);
      this.#atLineStart = piece.endsWith('\n');
    }
  }

  end(): void {
    if (!this.#atLineStart) write('\n');
  }
}

/** Output that is there already. */
export function output(text: string): void {
  const out = new Output();
  out.write(text);
  out.end();
}

export function failed(text: string): void {
  process.stderr.write(`\n${pc.red(pc.bold('The demo stopped:'))} ${text}\n`);
}

/** One empty line, unless there is one. */
function gap(): void {
  if (!tail.endsWith('\n\n')) write('\n');
}

export function write(text: string): void {
  process.stdout.write(text);
  tail = (tail + text).slice(-2);
}
