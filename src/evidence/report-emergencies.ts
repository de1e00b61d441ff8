import { type Html, html } from './html.ts';
import type { Member, Populations } from './populations.ts';
import { count, refName, table, tag, when } from './report-parts.ts';
import { type ReportTally, SHOWN } from './report-tally.ts';

type State = Readonly<Record<string, unknown>>;

/**
 * What was given in an emergency, and what was said of its use afterwards; nothing where there never was an emergency.
 *
 * @param at RFC 3339, of the last record: what was due by then and not reviewed is late
 */
export function emergencies(populations: Populations, tally: ReportTally, at: string | null): Html {
  const grants = [...populations.members('grant')].filter(
    ([, { state }]) => record(state.authority).kind === 'emergency',
  );
  if (grants.length === 0) return html``;
  const reviews = new Map<string, string>();
  for (const [id, { state }] of populations.members('review')) {
    const { grant } = record(state.emergency);
    if (typeof grant === 'string') reviews.set(grant, id);
  }
  const items = new Map<string, Member>();
  for (const item of populations.members('review_item').values()) {
    items.set(text(record(item.state.review).id), item);
  }
  const verdicts = grants.map(([id, grant]) => {
    const item = items.get(reviews.get(id) ?? '');
    return { id, grant, item, ...verdictOf(grant.state, item, at) };
  });
  const rows = verdicts.slice(0, SHOWN).map(({ id, grant, item, words, bad }) => {
    const { state } = grant;
    const authority = record(state.authority);
    const decision = record(item?.state.decision);
    return html`<tr><td><b>${refName(state.principal)}</b> on ${refName(state.resource)}<br><code>${text(state.scope)}</code><br><span class="soft">${text(authority.justification)}</span></td><td class="t">${when(text(state.start))}<br>${when(text(state.endedAt) || text(state.end))}</td><td class="n">${count(tally.commandsUnder(id))}</td><td class="t">${when(text(authority.reviewBy))}</td><td>${bad ? tag('refused', words) : words}${decision.by === undefined ? html`` : html`<br><span class="soft">${refName(decision.by)}, ${when(text(decision.at))}: ${text(decision.reason)}</span>`}</td><td class="n">${item?.lastLeaf ?? grant.leaf}</td></tr>
`;
  });
  const bad = verdicts.filter((each) => each.bad).length;
  const more = verdicts.length - rows.length;
  return html`<h2>Emergencies</h2>
<p class="soft">${
    bad === 0
      ? 'The use of each was reviewed and found in order, or there still is time for it.'
      : `Of ${count(verdicts.length)}, ${count(bad)} ${bad === 1 ? 'was' : 'were'} not reviewed in time, or not in order.`
  }</p>
${table(['What was given, and why', 'From and to', '#Commands', 'Review by', 'Review', '#Leaf'], rows)}${more === 0 ? html`` : html`<p class="soft">And ${count(more)} more, in populations/grants.csv.</p>`}
`;
}

function verdictOf(
  grant: State,
  item: Member | undefined,
  at: string | null,
): { words: string; bad: boolean } {
  if (item === undefined) return { words: 'there is no review', bad: true };
  const { status } = item.state;
  if (status === 'decided') {
    const kept = record(item.state.decision).kind === 'keep';
    return kept ? { words: 'in order', bad: false } : { words: 'not in order', bad: true };
  }
  if (status === 'lapsed') return { words: 'nobody decided: suspended', bad: true };
  const late = at !== null && text(record(grant.authority).reviewBy) <= at;
  return late ? { words: 'late', bad: true } : { words: 'waits', bad: false };
}

const record = (value: unknown): State =>
  typeof value === 'object' && value !== null ? (value as State) : {};

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
