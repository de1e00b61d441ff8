/**
 * The command line. One file per command or group of commands; this one only finds the right file, lets it act
 * and tells how it went.
 */
import { CommanderError } from 'commander';
import { buildProgram, commandWord, tellMistakes, wantsJson } from './program.ts';
import { describeFailure, EXIT } from './support/failure.ts';

const args = process.argv.slice(2);
const json = wantsJson(args);

// A reader that has seen enough (`| head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(process.exitCode ?? EXIT.ok);
});

try {
  const program = await buildProgram(commandWord(args));
  tellMistakes(program, json);
  await program.parseAsync(args, { from: 'user' });
} catch (error) {
  if (error instanceof CommanderError) {
    // Help and version that were asked for are no mistake; commander has printed what there is to say.
    process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  } else {
    const failure = describeFailure(error, json);
    process.stderr.write(failure.text);
    process.exitCode = failure.exitCode;
  }
}
