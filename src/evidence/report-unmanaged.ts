import { type Html, html } from './html.ts';
import type { Member, Populations } from './populations.ts';
import { count, refName, table, tag, when } from './report-parts.ts';
import { SHOWN } from './report-tally.ts';

type State = Readonly<Record<string, unknown>>;

/** What reaches resources without Postern, as they say themselves; nothing in a package that knows no resource's state of it. */
export function unmanaged(populations: Populations): Html {
  const runs = [...populations.members('reconciliation').values()];
  if (runs.length === 0) return html``;
  const last = new Map<string, Member>();
  for (const run of runs) {
    last.set(text(record(run.state.resource).id), run);
  }
  const active = [...populations.members('resource')].filter(
    ([, { state }]) => state.status === 'active' && state.protocol === 'postgres',
  );
  const never = active.filter(([id]) => !last.has(id)).map(([, { state }]) => text(state.name));
  const rows = [...last.values()].slice(0, SHOWN).map(({ state, leaf }) => {
    const found = record(state.found);
    const failed = state.status === 'failed';
    return html`<tr><td><b>${refName(state.resource)}</b></td><td class="t">${when(text(state.at))}</td><td>${failed ? tag('refused', 'could not be asked') : html`PostgreSQL ${text(state.server)}, as ${text(state.user)}`}<br><span class="soft">${failed ? text(state.why) : words(state.bounds)}</span></td><td class="n">${number(found.account)}</td><td class="n">${number(found.connection)}</td><td class="n">${number(found.statements)}</td><td class="n">${leaf}</td></tr>
`;
  });
  const found = [...populations.members('unmanaged').values()];
  const standing = found.filter(({ state }) => state.status !== 'gone' && state.status !== 'remediated');
  const sorted = [...standing].sort((a, b) => rank(a) - rank(b));
  const open = standing.filter(({ state }) => state.status === 'open').length;
  const more = sorted.length - SHOWN;
  return html`<h2>Reconciliation with the resources</h2>
<p class="soft">${
    open === 0
      ? 'Nothing is open that the resources say of themselves and that is not of Postern.'
      : `${count(open)} ${open === 1 ? 'thing is' : 'things are'} at resources, not of Postern, and not dealt with.`
  }${never.length === 0 ? '' : ` Never compared: ${never.slice(0, SHOWN).join(', ')}.`}</p>
${table(['Resource', 'Last compared', 'How, and what could not be seen', '#Accounts', '#Connections', '#Statements', '#Leaf'], rows)}${
  sorted.length === 0
    ? html``
    : table(['What', 'Since', 'Details', 'Status', '#Leaf'], sorted.slice(0, SHOWN).map(row))
}${more > 0 ? html`<p class="soft">And ${count(more)} more, in populations/unmanaged.csv.</p>` : html``}
`;
}

function row({ state, lastLeaf }: Member): Html {
  const said = record(state.disposition);
  const open = state.status === 'open';
  const until = text(said.until);
  return html`<tr><td><b>${text(state.subject)}</b><br><span class="soft">${text(state.kind)} at ${refName(state.resource)}</span></td><td class="t">${when(text(state.firstSeenAt))}</td><td>${detailsOf(record(state.details))}</td><td>${open ? tag('refused', 'open') : text(state.status)}${until === '' ? '' : html` until ${when(until)}`}${said.owner == null ? '' : html` by ${refName(said.owner)}`}<br><span class="soft">${said.by === undefined ? text(state.reopened) : html`${refName(said.by)}: ${text(said.reason)}`}</span></td><td class="n">${lastLeaf}</td></tr>
`;
}

const rank = ({ state }: Member): number => (state.status === 'open' ? 0 : 1);

/** What holds, by its name; what has a value, with it. */
function detailsOf(details: State): string {
  return Object.entries(details)
    .filter(([, value]) => value !== false && value !== null && !(Array.isArray(value) && value.length === 0))
    .map(([name, value]) => (value === true ? name : `${name} ${words(value)}`))
    .join(', ');
}

const words = (value: unknown): string =>
  Array.isArray(value) ? value.map(String).join(' ') : typeof value === 'object' ? '' : String(value ?? '');

const number = (value: unknown): string => (typeof value === 'number' ? count(value) : '');

const record = (value: unknown): State =>
  typeof value === 'object' && value !== null ? (value as State) : {};

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
