import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { usageError } from './failure.ts';

/** By what to assess, and which time. */
export interface FrameworkOptions {
  readonly framework?: string;
  readonly frameworkFile?: string;
  readonly period?: string;
  readonly timeZone?: string;
}

/** Adds the flags that name a framework and a period. */
export function addFrameworkOptions(command: Command): Command {
  return command
    .option('--framework <framework>', 'assess by it, such as nist-800-53 (postern evidence frameworks)')
    .option('--framework-file <file>', 'assess by a framework of your own (docs/frameworks.md)')
    .option('--period <period>', '2026, 2026-H1, 2026-Q3, 2026-07, or two days with a slash between them')
    .option('--time-zone <zone>', 'whose calendar the period is of: Europe/Zurich (default: UTC)');
}

/** What the API is told of it. */
export function frameworkBody(options: FrameworkOptions): Readonly<Record<string, string>> {
  const { framework, frameworkFile, period, timeZone } = options;
  return {
    ...(framework !== undefined && { framework }),
    ...(frameworkFile !== undefined && { frameworkText: textOf(frameworkFile) }),
    ...(period !== undefined && { period }),
    ...(timeZone !== undefined && { zone: timeZone }),
  };
}

/** "-" is standard input. */
export function textOf(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw usageError(`cannot read ${file}: ${(error as Error).message}`);
  }
}
