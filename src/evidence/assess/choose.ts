import { hash } from 'node:crypto';
import { PosternError } from '../../core/errors.ts';
import type { FrameworkRef } from '../format.ts';
import { readFramework, writeFramework } from './framework-file.ts';
import { builtInFramework, builtInLibrary, frameworkIds } from './library.ts';
import { readPeriod } from './period.ts';
import type { Period } from './types.ts';

/** By what to assess, and which time. */
export interface FrameworkChoice {
  /** Id of a framework of Postern. */
  readonly framework?: string | undefined;
  /** Text of one of the institution's own. */
  readonly frameworkText?: string | undefined;
  /** See {@link readPeriod}. */
  readonly period?: string | undefined;
  readonly zone?: string | undefined;
}

/** A framework as a package is made by it. */
export interface ChosenFramework {
  readonly ref: FrameworkRef;
  /** `framework.json`. */
  readonly text: string;
}

export interface Chosen {
  readonly framework: ChosenFramework | null;
  readonly period: Period | null;
}

/**
 * Reads what was asked for.
 *
 * @throws PosternError POSTERN_INVALID, POSTERN_NOT_FOUND
 */
export function chooseFramework({ framework, frameworkText, period, zone }: FrameworkChoice): Chosen {
  if (framework !== undefined && frameworkText !== undefined)
    throw new PosternError('POSTERN_INVALID', 'Name a framework, or give one of your own; not both.');
  const own = frameworkText !== undefined;
  const chosen =
    frameworkText !== undefined
      ? readFramework(frameworkText, 'framework', builtInLibrary())
      : framework !== undefined
        ? builtInFramework(framework)
        : null;
  if (own && chosen !== null && frameworkIds().includes(chosen.id)) {
    throw new PosternError(
      'POSTERN_INVALID',
      `${chosen.id} is the id of a framework of Postern.`,
      'Give the framework of your own another id, so that nobody takes one for the other.',
    );
  }
  if (chosen !== null && period === undefined) {
    throw new PosternError(
      'POSTERN_INVALID',
      'An assessment is of a period.',
      'Say which: --period 2026-Q3, for example.',
    );
  }
  const text = chosen === null ? '' : writeFramework(chosen);
  return {
    framework:
      chosen === null
        ? null
        : { ref: { id: chosen.id, version: chosen.version, own, sha256: hash('sha256', text) }, text },
    period: period === undefined ? null : readPeriod(period, zone),
  };
}
