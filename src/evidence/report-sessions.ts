import { type Html, html } from './html.ts';
import type { Populations } from './populations.ts';
import { bindingFindings } from './report-binding-findings.ts';
import { count, refName, table, tag, when } from './report-parts.ts';
import { SHOWN } from './report-tally.ts';

/** How principals proved who they were: passwords counted, client certificates and bindings one by one. */
export function proofs(populations: Populations): Html {
  const credentials = [...populations.members('credential')];
  const certificates = credentials.filter(([, { state }]) => state.kind === 'certificate');
  const bindings = [...populations.members('binding').values()];
  const passwords = credentials.filter(([, { state }]) => state.kind === 'password').length;
  const others = credentials.length - certificates.length - passwords;
  const exchanged = credentials.filter(([, { state }]) => Boolean(state.exchange));
  const behalf = credentials.filter(
    ([, { state }]) => Array.isArray(state.delegation) && state.delegation.length > 0,
  );
  const ended = (state: Readonly<Record<string, unknown>>): Html =>
    html`${tag(String(state.status))} <span class="soft">${String(state.endReason ?? '')}</span>`;
  const shown = certificates.slice(-SHOWN).map(
    ([, { state, leaf }]) =>
      html`<tr><td><b>${refName(state.principal)}</b></td><td><code>${String(state.certificateSha256 ?? '')}</code></td><td class="t">${when(String(state.createdAt ?? ''))}<br>${when(String(state.expiresAt ?? ''))}</td><td>${ended(state)}</td><td class="n">${leaf}</td></tr>
`,
  );
  const bound = bindings.slice(-SHOWN).map(
    ({ state, leaf }) =>
      html`<tr><td><b>${refName(state.principal)}</b></td><td>${String(state.kind ?? '')}</td><td><code>${detailsOf(state)}</code></td><td>${ended(state)}</td><td class="n">${leaf}</td></tr>
`,
  );
  const more = certificates.length - shown.length;
  return html`<h2>How they proved who they are</h2>
<p>${passwords === 0 ? 'No password was' : passwords === 1 ? 'One password was' : `${count(passwords)} passwords were`} issued, each for a day at most${others === 0 ? '' : `, and ${count(others)} SSH certificates and bearer tokens`}. ${count(exchanged.length)} of all credentials were exchanged for a proof, for an hour at most; ${count(behalf.length)} were used on behalf of others. All are in populations/credentials.csv, with what was shown for them and on whose behalf.</p>
${shown.length === 0 ? '' : html`${table(['Principal', 'Client certificate (SHA-256)', 'Issued and end', 'Status', '#Leaf'], shown)}${more === 0 ? '' : html`<p class="soft">And ${count(more)} earlier ones.</p>`}`}${
  bound.length === 0
    ? ''
    : html`<p class="soft">By what these bindings ask for, exactly:</p>
${table(['Principal', 'Kind', 'What proves it', 'Status', '#Leaf'], bound)}${bindingFindings(bindings)}`
}`;
}

/** What every binding has. The rest is what proves it. */
const COMMON: ReadonlySet<string> = new Set([
  ...['id', 'principal', 'kind', 'status', 'endReason', 'endedAt', 'createdAt'],
]);

function detailsOf(binding: Readonly<Record<string, unknown>>): string {
  return Object.entries(binding)
    .filter(([name, value]) => !COMMON.has(name) && value !== null)
    .map(([name, value]) => (name === 'claims' ? claimsOf(value) : `${name}=${textOf(value)}`))
    .join(' ');
}

function textOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  return 'name' in value ? String(value.name) : JSON.stringify(value);
}

function claimsOf(claims: unknown): string {
  if (typeof claims !== 'object' || claims === null) return '';
  return Object.entries(claims)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(' ');
}

/** The last sessions: whose, from where, by which proof, and as whom in the database. */
export function sessions(populations: Populations): Html {
  const all = [...populations.rows('sessions')];
  const rows = all.slice(-SHOWN).map(
    (s) =>
      html`<tr><td class="t">${when(String(s.openedAt))}<br>${s.closedAt === null ? '' : when(String(s.closedAt))}</td><td>${refName(s.principal)}<br><span class="soft">${proofOf(populations, s.credential)}${subjectOf(s.proof)}</span></td><td>${refName(s.resource)}<br><span class="soft">${upstreamOf(s)}</span></td><td class="f"><code>${String(s.source)}</code></td><td>${tag(String(s.status))} <span class="soft">${String(s.reason ?? '')}</span></td><td class="n">${s.commands === null ? '' : count(Number(s.commands))}</td><td class="n">${s.denied === null ? '' : count(Number(s.denied))}</td></tr>
`,
  );
  if (rows.length === 0) return html``;
  return html`<h2>Sessions</h2>
${all.length > SHOWN ? html`<p class="soft">The last ${SHOWN} of ${count(all.length)}; all are in populations/sessions.csv.</p>` : ''}${table(
  [
    'Opened and closed',
    'Principal and proof',
    'Resource, and as whom',
    'From',
    'Ended by',
    '#Commands',
    '#Refused',
  ],
  rows,
)}`;
}

const BY: Readonly<Record<string, string>> = {
  oidc: 'by token of an issuer',
  spiffe: 'by SVID',
  certificate: 'by certificate of another authority',
  secret: 'by static secret',
};

/** Whom the token or certificate names, and the run where it says one. */
function subjectOf(proof: unknown): string {
  if (typeof proof !== 'object' || proof === null) return '';
  const { subject, claims } = proof as Readonly<Record<string, unknown>>;
  const said =
    typeof claims === 'object' && claims !== null ? (claims as Readonly<Record<string, unknown>>) : {};
  const run = RUNS.map((name) => said[name]).find((value) => typeof value === 'string');
  const parts = [subject, run === undefined ? null : `run ${run}`];
  const shown = parts.filter((part) => typeof part === 'string').map((part) => part.slice(0, 200));
  return shown.length === 0 ? '' : `: ${shown.join(', ')}`;
}

/** Claims by which platforms tell one run of a job from another. */
const RUNS = ['run_id', 'job_id', 'oidc.circleci.com/job-id', '/kubernetes.io/pod/name'] as const;

function proofOf(populations: Populations, credential: unknown): string {
  if (typeof credential !== 'string') return '';
  const issued = populations.members('credential').get(credential);
  if (issued !== undefined) return issued.state.kind === 'certificate' ? 'by certificate' : 'by password';
  const binding = populations.members('binding').get(credential);
  return binding === undefined
    ? `by credential ${credential}`
    : (BY[String(binding.state.kind)] ?? 'by a binding');
}

function upstreamOf(session: Readonly<Record<string, unknown>>): string {
  const { upstreamUser, upstreamIdentity } = session;
  if (typeof upstreamUser !== 'string') return '';
  return upstreamIdentity === 'ephemeral'
    ? `${upstreamUser}, a role of its own`
    : `${upstreamUser}, the shared user`;
}
