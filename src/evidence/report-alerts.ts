import { ALERT_RULES, type AlertRuleName } from '../core/alert-rules.ts';
import { type Html, html } from './html.ts';
import type { Member, Populations } from './populations.ts';
import { count, refName, table, tag, when } from './report-parts.ts';
import { SHOWN } from './report-tally.ts';

/** What was found out of the ordinary, and what people made of it; nothing where nothing ever was. */
export function alerts(populations: Populations): Html {
  const all = [...populations.members('alert').values()];
  if (all.length === 0) return html``;
  const of = (fits: (member: Member) => boolean): string => count(all.filter(fits).length);
  // What nobody has closed is what an examiner asks for first.
  const sorted = all.toSorted((a, b) => rank(a) - rank(b));
  const more = all.length - SHOWN;
  return html`<h2>Alerts</h2>
<p>${count(all.length)} raised; ${of(({ state }) => state.status === 'open')} that nobody looked at, ${of(({ state }) => state.status === 'acknowledged')} that somebody looks into, ${of(isClosed)} closed: ${of((each) => kindOf(each) === 'explained')} explained, ${of((each) => kindOf(each) === 'revoked')} with access taken away, ${of((each) => kindOf(each) === 'false_positive')} false positives.</p>
${table(['Principal', 'What', 'Found', 'What became of it', 'By', '#Leaf'], sorted.slice(0, SHOWN).map(row))}${more > 0 ? html`<p class="soft">And ${count(more)} more, in populations/alerts.csv.</p>` : html``}`;
}

const RANKS: readonly unknown[] = ['open', 'acknowledged', 'closed'];
const rank = ({ state }: Member): number => RANKS.indexOf(state.status);
const isClosed = ({ state }: Member): boolean => state.status === 'closed';

type Said = Readonly<Record<string, unknown>>;

const kindOf = ({ state }: Member): string => text((state.disposition as Said | null | undefined)?.kind);

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

const list = (value: unknown): readonly string[] => (Array.isArray(value) ? value.map(String) : []);

function row(member: Member): Html {
  const { state, lastLeaf } = member;
  const said = (state.disposition ?? state.acknowledged ?? {}) as Said;
  const rule = text(state.rule);
  const says = Object.hasOwn(ALERT_RULES, rule) ? ALERT_RULES[rule as AlertRuleName].says : rule;
  const values = list(state.values);
  const shown = values.slice(0, 5).join(', ');
  const status = kindOf(member).replace('_', ' ') || text(state.status);
  const grants = list(said.grants).length;
  const ended = said.suspended === true ? 'principal suspended' : grants > 0 ? `${grants} grants ended` : '';
  return html`<tr><td><b>${refName(state.principal)}</b><br><span class="soft">of ${refName(state.owner)}</span></td><td>${says}: ${shown}${values.length > 5 ? ` and ${values.length - 5} more` : ''}<br><span class="soft">${rule}${state.resource === null ? '' : ` on ${refName(state.resource)}`}</span></td><td class="t">${count(Number(state.count))} times<br>${when(text(state.firstAt))}<br>${when(text(state.lastAt))}</td><td>${tag(text(state.status), status)}<br><span class="soft">${text(said.reason)}${ended === '' ? '' : ` (${ended})`}</span></td><td>${refName(said.by)}<br>${when(text(said.at))}</td><td class="n">${lastLeaf}</td></tr>
`;
}
