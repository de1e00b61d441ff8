import { PosternError } from '../../core/errors.ts';
import { safeJson, safeLine } from './text.ts';

/** How `postern` ends, apart from `run`, which ends as its command does. */
export const EXIT = { ok: 0, failed: 1, usage: 2, unverified: 3 } as const;

/**
 * A failure of the command line or an answer of the API that is one. `code` is the API's code, or one beginning
 * `CLI_` for what went wrong on this side.
 */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly code: string;
  readonly hint: string | undefined;
  readonly exitCode: number;
  /** Where it is several things that are wrong: each of them, a line. */
  details: readonly string[] = [];

  constructor(code: string, message: string, hint?: string, exitCode: number = EXIT.failed) {
    super(message);
    this.code = code;
    this.hint = hint;
    this.exitCode = exitCode;
  }
}

/** A mistake in how the command was called. */
export function usageError(message: string, hint?: string): CliError {
  return new CliError('CLI_USAGE', message, hint, EXIT.usage);
}

/** What is said on standard error about a failure, and the exit code. Anything unforeseen is told with its stack. */
export function describeFailure(error: unknown, json: boolean): { text: string; exitCode: number } {
  const known = error instanceof CliError || error instanceof PosternError;
  const code = known ? error.code : 'CLI_INTERNAL';
  const message = error instanceof Error ? error.message : String(error);
  const hint = known ? error.hint : undefined;
  const exitCode = error instanceof CliError ? error.exitCode : EXIT.failed;
  const details = error instanceof CliError ? error.details : [];
  if (json) {
    const all = { code, message, ...(hint && { hint }), ...(details.length > 0 && { details }) };
    return { text: `${safeJson({ error: all })}\n`, exitCode };
  }
  let text = `postern: ${safeLine(message)} (${safeLine(code)})\n`;
  for (const line of details) text += `  ${safeLine(line)}\n`;
  if (hint) text += `  hint: ${safeLine(hint)}\n`;
  if (!known && error instanceof Error && error.stack) text += `${error.stack}\n`;
  return { text, exitCode };
}
