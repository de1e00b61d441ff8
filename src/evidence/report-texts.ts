import type { Parameters } from './format.ts';
import { type Html, html } from './html.ts';
import { lossWords } from './losses.ts';
import type { Populations } from './populations.ts';
import { count, refName, table, tag, when } from './report-parts.ts';
import { SHOWN } from './report-tally.ts';

/** What of the texts is not shown here, and why: nobody is to take a gap for an oversight. */
export function erasures(populations: Populations, { statements: mode }: Parameters): Html {
  const all = populations.erasures;
  const withheld =
    mode === 'full'
      ? html``
      : html`<p>${
          mode === 'masked'
            ? 'Statements are shown with their literals replaced, and bind values not at all. A masked text cannot be checked against its commitment: it is the statement of the log’s operator, signed in manifest.json.'
            : 'Statements and bind values are not shown. Their commitments are in the log, so that each can be shown and proved later.'
        }</p>`;
  if (all.length === 0) return withheld;
  const rows = all.slice(-SHOWN).map(
    ({ time, by, principal, day, kinds, payloads, reason, leaf }) =>
      html`<tr><td class="t">${when(time)}</td><td>${by.name}</td><td>${principal?.name}</td><td>${day}</td><td>${kinds.join(', ')}</td><td class="n">${count(payloads)}</td><td>${reason}</td><td class="n">${leaf}</td></tr>
`,
  );
  return html`${withheld}<h2>Texts that were erased</h2>
<p class="soft">The texts are gone; the records of what was done, and their proofs, are not.${
    all.length > SHOWN
      ? ` The last ${SHOWN} of ${count(all.length)}; all are in populations/erasures.csv.`
      : ''
  }</p>
${table(['When', 'By', 'Principal', 'Texts of', 'Kinds', '#Texts', 'Why', '#Leaf'], rows)}`;
}

/** What keeps texts from being destroyed, and when they are: legal holds and the times of retention. */
export function keeping(populations: Populations): Html {
  const holds = [...populations.rows('legal_holds')];
  const held = holds.slice(-SHOWN).map(
    (hold) =>
      html`<tr><td class="t">${when(String(hold.createdAt))}<br>${hold.endedAt === null ? '' : when(String(hold.endedAt))}</td><td>${hold.principal === null ? 'everything' : refName(hold.principal)}</td><td>${String(hold.reason)}</td><td>${refName(hold.placedBy)}</td><td>${tag(String(hold.status))} <span class="soft">${String(hold.endReason ?? '')}</span></td><td class="n">${String(hold.lastLeaf)}</td></tr>
`,
  );
  const rules = populations.retention.slice(-SHOWN).map(
    ({ time, by, statements, parameters, classifications, leaf }) =>
      html`<tr><td class="t">${when(time)}</td><td>${by.name}</td><td>${days(statements)}</td><td>${days(parameters)}</td><td>${Object.keys(classifications).length === 0 ? '' : JSON.stringify(classifications)}</td><td class="n">${leaf}</td></tr>
`,
  );
  const rule =
    rules.length === 0
      ? html`<p>No rule was ever made: texts are kept for ever.</p>`
      : html`<p class="soft">Days after the end of the day of a text. The last rule holds.</p>
${table(['Since', 'By', 'Statements', 'Bind values', 'By classification', '#Leaf'], rules)}`;
  return html`<h2>How long texts are kept</h2>
${rule}${
  held.length === 0
    ? html`<p>No legal hold was ever placed.</p>`
    : html`<h2>Legal holds</h2>
<p class="soft">While one is active, no text that it is on is destroyed.</p>
${table(['Placed and released', 'On', 'Matter', 'By', 'Status', '#Leaf'], held)}`
}`;
}

/** What the log says is missing from it; nothing where nothing is. */
export function losses(populations: Populations): Html {
  const all = populations.losses;
  if (all.length === 0) return html``;
  const rows = all.slice(-SHOWN).map(
    (loss) =>
      html`<tr><td class="t">${when(loss.time)}</td><td>${lossWords(loss)}</td><td class="n">${loss.leaf}</td></tr>
`,
  );
  return html`<h2>What was lost</h2>
<p>Journals were gone or cut short before all of them was in the log, by the log’s own records. What they had more is missing: commands may have run of which nothing else is known.${
    all.length > SHOWN ? ` The last ${SHOWN} of ${count(all.length)}.` : ''
  }</p>
${table(['Noticed', 'What', '#Leaf'], rows)}`;
}

function days(value: unknown): string {
  return value === null ? 'for ever' : String(value);
}
