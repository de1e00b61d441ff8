import { type Lintable, lintBinding } from '../identity/presets/lint.ts';
import { type Html, html } from './html.ts';
import { count, refName, table, tag } from './report-parts.ts';
import { SHOWN } from './report-tally.ts';

interface Member {
  readonly leaf: number;
  readonly state: Readonly<Record<string, unknown>>;
}

/** What the linter says of the bindings that hold: the same as `postern binding lint` says. */
export function bindingFindings(bindings: readonly Member[]): Html {
  const holding = bindings.filter(({ state }) => state.kind === 'oidc' && state.status === 'active');
  if (holding.length === 0) return html``;
  const found = holding.flatMap((binding) =>
    lintBinding(lintable(binding.state)).map((finding) => ({ ...binding, finding })),
  );
  if (found.length === 0)
    return html`<p class="soft">None of them is wider than it looks, as far as rules can tell.</p>`;
  const rows = found.slice(0, SHOWN).map(
    ({ state, leaf, finding }) =>
      html`<tr><td><b>${refName(state.principal)}</b></td><td>${tag(finding.severity)} ${finding.code}</td><td>${finding.message} <span class="soft">${finding.fix}</span></td><td class="n">${leaf}</td></tr>
`,
  );
  const more = found.length - rows.length;
  return html`<p class="soft">What is doubtful about those that hold:</p>
${table(['Principal', 'Finding', 'Why, and what to do', '#Leaf'], rows)}${more === 0 ? '' : html`<p class="soft">And ${count(more)} more.</p>`}`;
}

/** A record may hold anything: what is no text says nothing. */
function lintable(state: Readonly<Record<string, unknown>>): Lintable {
  const { preset, issuer, audience, claims, contains, reuse } = state;
  return {
    ...(typeof preset === 'string' && { preset }),
    issuer: typeof issuer === 'string' ? issuer : '',
    audience: typeof audience === 'string' ? audience : '',
    claims: textsIn(claims),
    contains: textsIn(contains),
    ...(reuse === true && { reuse }),
  };
}

function textsIn(value: unknown): Record<string, string> {
  if (typeof value !== 'object' || value === null) return {};
  const texts = Object.entries(value).filter(([, each]) => typeof each === 'string');
  return Object.fromEntries(texts) as Record<string, string>;
}
