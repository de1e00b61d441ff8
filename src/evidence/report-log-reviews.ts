import { type Html, html } from './html.ts';
import type { Member, Populations } from './populations.ts';
import { count, refName, table, when } from './report-parts.ts';
import { SHOWN } from './report-tally.ts';

/** Who looked at what principals did, and what they found; nothing where nobody did. */
export function logReviews(populations: Populations): Html {
  const all = [...populations.members('log_review').values()];
  if (all.length === 0) return html``;
  const more = all.length - SHOWN;
  return html`<h2>Who looked at it</h2>
<p class="soft">People who stated that they reviewed what a principal did, and do not answer for it.</p>
${table(['Principal', '#From leaf', '#To leaf', 'By', 'When', 'Finding', '#Leaf'], all.slice(0, SHOWN).map(row))}${
  more > 0 ? html`<p class="soft">And ${count(more)} more, in populations/log_reviews.csv.</p>` : html``
}`;
}

function row({ state, leaf }: Member): Html {
  const { finding, ticket, createdAt } = state as Readonly<Record<string, string | null>>;
  return html`<tr><td><b>${refName(state.principal)}</b>${state.privileged === true ? html`<br><span class="soft">as one with privileged access</span>` : html``}</td><td class="n">${count(Number(state.fromLeaf))}</td><td class="n">${count(Number(state.toLeaf))}</td><td>${refName(state.reviewer)}</td><td class="t">${when(createdAt ?? '')}</td><td>${finding}${ticket ? html`<br><span class="soft">${ticket}</span>` : html``}</td><td class="n">${leaf}</td></tr>
`;
}
