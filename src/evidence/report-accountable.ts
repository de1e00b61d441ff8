import type { Manifest } from './format.ts';
import { type Html, html } from './html.ts';
import { type OwnershipFinding, ownershipFindings } from './ownership.ts';
import type { Member, Populations } from './populations.ts';
import { count, refName, table, tag, when } from './report-parts.ts';
import { SHOWN } from './report-tally.ts';

/** Who there is, who answers for each, and where nobody does or nobody uses it. */
export function accountable(
  populations: Populations,
  { principals, log }: Pick<Manifest, 'principals' | 'log'>,
): Html {
  const records = new Map(principals.map((principal) => [principal.id, principal.records]));
  const rows = [...populations.members('principal')].map(([id, member]) =>
    row(member, populations.lastUseOf(id), records.get(id) ?? 0),
  );
  return html`<h2>Who, and who answers for them</h2>
${table(['Principal', 'Owner', 'Backup owner', 'Purpose', 'Status', 'Last used', '#Records', '#Leaf'], rows)}${findings(
  ownershipFindings(populations, log.time ?? ''),
)}${notices(populations)}`;
}

function row({ state, leaf }: Member, lastUsed: string | null, records: number): Html {
  const text = (key: string): string => (typeof state[key] === 'string' ? state[key] : '');
  const sponsor = text('sponsor') === '' ? html`` : html`<br><span class="soft">of ${text('sponsor')}</span>`;
  const rehome =
    text('rehomeBy') === ''
      ? html``
      : html`<br><span class="soft">suspended at ${when(text('rehomeBy'))} unless re-homed</span>`;
  return html`<tr><td><b>${text('name')}</b><br><span class="soft">${text('kind')}${tags(state.tags)}</span>${sponsor}</td><td>${refName(state.owner)}</td><td>${refName(state.backupOwner)}</td><td>${text('purpose')}</td><td>${tag(text('status'))}${rehome}</td><td class="t">${lastUsed === null ? 'never' : when(lastUsed)}</td><td class="n">${count(records)}</td><td class="n">${leaf}</td></tr>
`;
}

function tags(value: unknown): string {
  if (typeof value !== 'object' || value === null) return '';
  return Object.entries(value)
    .map(([name, each]) => `, ${name}=${String(each)}`)
    .join('');
}

function findings(all: readonly OwnershipFinding[]): Html {
  if (all.length === 0)
    return html`<p class="soft">Two active people answer for each that is active, and each is used.</p>`;
  const rows = all.slice(0, SHOWN).map(
    ({ principal, code, text, leaf }) =>
      html`<tr><td><b>${principal}</b></td><td>${code}</td><td>${text}</td><td class="n">${leaf}</td></tr>
`,
  );
  const more = all.length - rows.length;
  return html`<p class="soft">What is doubtful about those that are active:</p>
${table(['Principal', 'Finding', 'Why', '#Leaf'], rows)}${more === 0 ? '' : html`<p class="soft">And ${count(more)} more.</p>`}`;
}

function notices(populations: Populations): Html {
  const all = [...populations.members('notice').values()];
  if (all.length === 0) return html``;
  const rows = all.slice(-SHOWN).map(({ state, leaf }) => {
    const text = (key: string): string => (typeof state[key] === 'string' ? state[key] : '');
    return html`<tr><td class="t">${when(text('createdAt'))}</td><td>${state.to === null ? 'administrators' : refName(state.to)}</td><td>${text('text')}</td><td>${tag(text('status'))} <span class="soft">${text('endReason')}</span></td><td class="n">${leaf}</td></tr>
`;
  });
  return html`<h2>Notices about owners who left</h2>
${table(['Given', 'To', 'Notice', 'Status', '#Leaf'], rows)}${
  all.length > SHOWN
    ? html`<p class="soft">The last ${SHOWN}; all are in populations/notices.csv.</p>`
    : html``
}`;
}
