import { type Html, html } from './html.ts';
import type { Member, Populations } from './populations.ts';
import { count, refName, table, tag, when } from './report-parts.ts';
import { SHOWN } from './report-tally.ts';

/** What was decided anew, by whom, having seen what, and what nobody decided on; nothing where there never was a review. */
export function reviews(populations: Populations): Html {
  const items = [...populations.members('review_item').values()];
  const campaigns = [...populations.members('review')];
  if (items.length === 0 && campaigns.length === 0) return html``;
  const rows = campaigns.map(([id, { state, leaf }]) => {
    const own = items.filter((item) => (item.state.review as { id?: unknown } | undefined)?.id === id);
    const of = (status: string): string => count(own.filter((item) => item.state.status === status).length);
    return html`<tr><td><b>${text(state.name)}</b>${state.rehearsal === true ? html`<br><span class="soft">rehearsal: nothing took effect</span>` : html``}</td><td class="t">${when(text(state.createdAt))}<br>${when(text(state.dueAt))}</td><td>${tag(text(state.status))} <span class="soft">${text(state.closeReason)}</span></td><td class="n">${of('decided')}</td><td class="n">${of('lapsed')}</td><td class="n">${of('open')}</td><td class="n">${leaf}</td></tr>
`;
  });
  // What lapsed is what an examiner asks for first.
  const settled = items.filter(({ state }) => state.status === 'decided' || state.status === 'lapsed');
  const sorted = [...settled].sort((a, b) => rank(a) - rank(b));
  const more = sorted.length - SHOWN;
  return html`<h2>Reviews</h2>
${rows.length === 0 ? html`` : table(['Review', 'Opened and due', 'Status', '#Decided', '#Lapsed', '#Open', '#Leaf'], rows)}${
  sorted.length === 0
    ? html``
    : table(
        ['About', 'Decision', 'By', 'Effect', 'What was seen (SHA-256)', '#Leaf'],
        sorted.slice(0, SHOWN).map(row),
      )
}${more > 0 ? html`<p class="soft">And ${count(more)} more, in populations/review_items.csv.</p>` : html``}`;
}

const rank = ({ state }: Member): number => (state.status === 'lapsed' ? 0 : 1);

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

function row({ state, lastLeaf }: Member): Html {
  const decision = (state.decision ?? {}) as Readonly<Record<string, unknown>>;
  const effect = (state.effect ?? {}) as Readonly<Record<string, unknown>>;
  const about = text(state.grant) === '' ? 'the principal' : `grant on ${refName(state.resource)}`;
  const scope = text(decision.scope);
  return html`<tr><td><b>${refName(state.principal)}</b><br><span class="soft">${about}, ${refName(state.review)}</span></td><td>${text(decision.kind) || tag('nobody decided')}${scope === '' ? html`` : html`<br><code>${scope}</code>`}<br><span class="soft">${text(decision.reason)}</span></td><td>${refName(decision.by)}<br>${when(text(decision.at) || text(state.endedAt))}</td><td>${effect.applied === false ? 'would be ' : ''}${text(effect.what)}</td><td><code>${text(decision.view)}</code></td><td class="n">${lastLeaf}</td></tr>
`;
}
