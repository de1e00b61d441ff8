import { pc } from '../support/colors.ts';
import { safeLine } from '../support/text.ts';
import type { Action } from './action.ts';

const SIGN = { create: '+', update: '~', end: '-' } as const;
const PAINT = { create: pc.green, update: pc.yellow, end: pc.red } as const;
const LONGEST = 200;

/** What would be done, or was, as a person reads it. */
export function formatActions(actions: readonly Action[]): string {
  const lines = actions.flatMap(({ verb, kind, name, manifest, changes }) => {
    const where = manifest === null ? 'declared no more' : `${manifest.file}:${manifest.line}`;
    const head = `${PAINT[verb](`${SIGN[verb]} ${safeLine(kind)} ${safeLine(name)}`)}  ${pc.dim(safeLine(where))}`;
    const fields = changes
      .filter(({ after }) => verb !== 'create' || after !== null)
      .map(({ field, before, after }) => {
        const change = verb === 'create' ? shown(after) : `${shown(before)} -> ${shown(after)}`;
        return `    ${safeLine(field)}: ${change}`;
      });
    return [head, ...fields];
  });
  return lines.map((line) => `${line}\n`).join('');
}

/** `2 to make, 1 to change, 0 to end`. */
export function tally(actions: readonly Action[]): string {
  const count = (verb: Action['verb']): number => actions.filter((action) => action.verb === verb).length;
  return `${count('create')} to make, ${count('update')} to change, ${count('end')} to end`;
}

/** As JSON: without what is sent, since that may hold a password. */
export const actionJson = ({ verb, kind, name, manifest, changes }: Action): object => ({
  ...{ verb, kind, name, changes },
  file: manifest?.file ?? null,
  line: manifest?.line ?? null,
});

function shown(value: unknown): string {
  if (value === null || value === undefined) return '(none)';
  const text = safeLine(typeof value === 'string' ? value : JSON.stringify(value));
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}...` : text;
}
