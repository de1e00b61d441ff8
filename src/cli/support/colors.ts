import picocolors from 'picocolors';

/**
 * Colours where a person looks at a terminal that has them, or asks for them with FORCE_COLOR; never with NO_COLOR, and not in
 * pipes and files, whatever environment variables a build system sets.
 *
 * @see https://no-color.org
 */
function wanted(env: NodeJS.ProcessEnv): boolean {
  if ((env.NO_COLOR ?? '') !== '') return false;
  if ((env.FORCE_COLOR ?? '') !== '') return true;
  return process.stdout.isTTY === true && env.TERM !== 'dumb';
}

export const pc = picocolors.createColors(wanted(process.env));
