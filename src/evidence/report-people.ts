import { conflictOf } from '../core/role-conflicts.ts';
import type { Manifest } from './format.ts';
import { type Html, html } from './html.ts';
import type { Populations } from './populations.ts';
import { count, table } from './report-parts.ts';
import { SHOWN } from './report-tally.ts';

interface Shown {
  readonly leaf: number;
  readonly name: string;
  readonly roles: readonly string[];
  /** Kinds of what they sign in with. */
  readonly by: readonly string[];
}

/** Who may do what among the people, how they sign in, and what is doubtful about it. Only a package of the whole log knows. */
export function people(populations: Populations, coverage: Manifest['coverage']): Html {
  if (coverage !== 'log') return html``;
  const ways = new Map<string, string[]>();
  for (const { state } of populations.members('authenticator').values()) {
    const id = idOf(state.person);
    if (state.status === 'active' && id !== null) ways.set(id, [...(ways.get(id) ?? []), String(state.kind)]);
  }
  const shown = [...populations.members('person')]
    .filter(([, { state }]) => state.status === 'active')
    .map(
      ([id, { leaf, state }]): Shown => ({
        leaf,
        name: String(state.name),
        roles: rolesOf(state.roles),
        by: ways.get(id) ?? [],
      }),
    );
  if (shown.length === 0) return html``;
  const rows = shown.slice(0, SHOWN).map(
    ({ name, roles, by, leaf }) =>
      html`<tr><td><b>${name}</b></td><td>${roles.join(', ') || 'none'}</td><td>${told(by)}</td><td class="n">${leaf}</td></tr>
`,
  );
  const more = shown.length - rows.length;
  const found = findingsOf(shown);
  return html`<section>
<h2>People</h2>
${table(['Person', 'Roles', 'Signs in by', '#Leaf'], rows)}${more === 0 ? '' : html`<p class="soft">And ${count(more)} more.</p>`}
${
  found.length === 0
    ? html`<p class="soft">Nobody has roles that do not go together, and more than one person administers.</p>`
    : html`<p class="soft">What is doubtful:</p>
<ul>${found.slice(0, SHOWN).map((finding) => html`<li>${finding}</li>`)}</ul>`
}
</section>
`;
}

function findingsOf(shown: readonly Shown[]): string[] {
  const found = shown.flatMap(({ name, roles }) => {
    const conflict = conflictOf(roles);
    return conflict === undefined ? [] : [`${name} is ${conflict[0]} and ${conflict[1]}: ${conflict[2]}.`];
  });
  const admins = shown.filter(({ roles }) => roles.includes('admin'));
  if (admins.length === 1) found.push(`${admins[0]?.name} alone administers.`);
  const silent = shown.filter(({ roles, by }) => by.length === 0 && roles.some((role) => role !== 'owner'));
  for (const { name } of silent)
    found.push(`${name} has rights over access and comes in by API tokens only.`);
  return found;
}

function told(by: readonly string[]): string {
  if (by.length === 0) return 'API tokens only';
  const kinds = [...new Set(by)].sort();
  return kinds.map((kind) => `${kind} (${by.filter((one) => one === kind).length})`).join(', ');
}

const rolesOf = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((role): role is string => typeof role === 'string') : [];

function idOf(value: unknown): string | null {
  const id = typeof value === 'object' && value !== null && 'id' in value ? value.id : null;
  return typeof id === 'string' ? id : null;
}
