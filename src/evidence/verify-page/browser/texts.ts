import type { Report } from '../../findings.ts';
import type { TextCounts } from '../../format.ts';
import { count, el } from './dom.ts';

/** Erasures that are told one by one; the others are counted. */
const TOLD = 20;

/** What each way of showing a text means for who reads it. */
const MEANING: Readonly<Record<keyof TextCounts, readonly [name: string, meaning: string]>> = {
  full: ['In full', 'Each is the text that was recorded: it fits the commitment in its record.'],
  masked: [
    'Masked',
    'Literals are replaced. A masked text cannot be checked against its commitment: it is the operator’s statement, signed in the manifest.',
  ],
  withheld: ['By commitment only', 'The text is not in this package. It can be shown and proved later.'],
  erased: ['Erased', 'The text was destroyed on purpose. Who did it, when and why is in the log.'],
  missing: ['Missing', 'The text is neither shown nor recorded as erased: the package does not verify.'],
};

/** What is shown of the statements and parameters, and what was erased. */
export function textsShown({ texts, erasures }: Report): HTMLElement | null {
  if (texts === null) return null;
  const kinds = (Object.keys(MEANING) as (keyof TextCounts)[]).filter((kind) => texts[kind] > 0);
  const rows = kinds.flatMap((kind) => {
    const [name, meaning] = MEANING[kind];
    return [
      el('dt', {}, `${name}: `, el('b', {}, count(texts[kind]))),
      el('dd', kind === 'missing' ? { class: 'warn' } : {}, meaning),
    ];
  });
  return el(
    'div',
    {},
    el('h3', {}, 'Statements and parameters'),
    rows.length === 0 ? el('p', {}, 'There are none in this package.') : el('dl', {}, ...rows),
    erased(erasures),
  );
}

function erased(erasures: Report['erasures']): HTMLElement | null {
  if (erasures.length === 0) return null;
  const lines = erasures
    .slice(0, TOLD)
    .map(({ payloads, kinds, principal, day, by, time, reason, leaf }) =>
      el(
        'li',
        {},
        `${count(payloads)} ${payloads === 1 ? 'text' : 'texts'} (${kinds.join(', ')}) of ${principal?.name ?? 'no principal'} of ${day}, erased by ${by.name} at ${time}: ${reason} `,
        el('span', { class: 'soft' }, `leaf ${leaf}`),
      ),
    );
  const more = erasures.length - TOLD;
  if (more > 0) lines.push(el('li', {}, `and ${count(more)} more erasures, in populations/erasures.csv`));
  return el('ul', { class: 'erased' }, ...lines);
}
