import type { CommandSummary } from './assess/command-summary.ts';
import { payloadText } from './command-texts.ts';
import {
  type AssessedFacts,
  closingBlocks,
  controlBlocks,
  summaryBlocks,
} from './document/assessment-blocks.ts';
import { blocksHtml } from './document/html.ts';
import type { LogPosition, Manifest } from './format.ts';
import { type Html, html } from './html.ts';
import type { Populations } from './populations.ts';
import { accountable } from './report-accountable.ts';
import { alerts } from './report-alerts.ts';
import { emergencies } from './report-emergencies.ts';
import { exceptions } from './report-exceptions.ts';
import { authorityWords, grants } from './report-grants.ts';
import { logReviews } from './report-log-reviews.ts';
import { masks } from './report-masks.ts';
import { aboutWords, asOfWords, count, refName, table, when } from './report-parts.ts';
import { people } from './report-people.ts';
import { reviews } from './report-reviews.ts';
import { proofs, sessions } from './report-sessions.ts';
import { REPORT_STYLE } from './report-style.ts';
import { type ReportTally, SHOWN } from './report-tally.ts';
import { erasures, keeping, losses } from './report-texts.ts';
import { unmanaged } from './report-unmanaged.ts';

/** What the report is made from. The same facts always give the same bytes, so that verification can make it again. */
export interface ReportFacts {
  readonly manifest: Pick<Manifest, 'parameters' | 'log' | 'coverage' | 'principals' | 'counts'>;
  readonly populations: Populations;
  readonly tally: ReportTally;
  readonly summary: Pick<CommandSummary, 'rows'>;
  /** Where the package was assessed by a framework. */
  readonly assessed?: Pick<AssessedFacts, 'framework' | 'assessment'> | null;
}

/** The report for a reader in a hurry: who, on whose word, what was done, what was refused, how to check it. */
export function renderReport(facts: ReportFacts): string {
  const { manifest, populations, tally, assessed = null } = facts;
  const about = aboutWords(manifest.parameters);
  const title =
    assessed === null ? about : `${assessed.assessment.framework.title}, ${assessed.assessment.period.name}`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Evidence: ${title}</title>
<style>${REPORT_STYLE_HTML}</style>
</head>
<body>
<header>
<p class="eyebrow">${assessed === null ? 'Access evidence' : 'Evidence of operation'}</p>
<h1>${title}</h1>
<p class="soft">${assessed === null ? '' : `${about} · `}${period(facts)} · ${asOfWords(manifest.log)}</p>
</header>
${assessed === null ? '' : assessment({ ...facts, ...assessed })}
${summary(facts)}
${accountable(populations, manifest)}
${grants(populations, tally)}
${emergencies(populations, tally, manifest.log.time)}${reviews(populations)}${alerts(populations)}${logReviews(populations)}
${deeds(tally)}
${refusals(tally)}
${statements(tally)}
${proofs(populations)}${exceptions(populations)}
${people(populations, manifest.coverage)}
${sessions(populations)}
${unmanaged(populations)}${masks(populations)}
${erasures(populations, manifest.parameters)}
${keeping(populations)}
${losses(populations)}
${assessed === null ? verification(manifest.log, manifest.coverage, facts) : blocksHtml(closingBlocks({ ...facts, ...assessed }))}
<footer>Postern evidence package. Every figure on this page follows from the leaves of the log in this package; <code>verify</code> recomputes this page and compares it.</footer>
</body>
</html>
`.text;
}

/** What came out by the framework, before everything else. */
function assessment(facts: AssessedFacts): Html {
  return html`${blocksHtml(summaryBlocks(facts))}
<nav><a href="#controls">Controls</a> · <a href="#record">Who did what, and on whose authority</a> · <a href="#verify">How to verify this, and what is not claimed</a></nav>
${blocksHtml(controlBlocks(facts))}
<h2 class="part big paged" id="record">Who did what, and on whose authority</h2>
`;
}

const REPORT_STYLE_HTML = trusted(REPORT_STYLE);

function trusted(css: string): Html {
  return html([css] as unknown as TemplateStringsArray);
}

function period({ manifest: { parameters }, tally }: ReportFacts): string {
  const { since, until } = parameters;
  if (since !== null || until !== null) {
    return `${since === null ? 'From the beginning' : `From ${when(since)}`} ${until === null ? 'to now' : `until ${when(until)}`}`;
  }
  return tally.first === null || tally.last === null
    ? 'No commands'
    : `Commands from ${when(tally.first)} to ${when(tally.last)}`;
}

function summary({ populations, tally }: ReportFacts): Html {
  const cards: [string, string, boolean][] = [
    [count(tally.allowed), 'commands let through', false],
    [count(tally.denied), 'commands refused', tally.denied > 0],
    [count(tally.failed), 'failed at the resource', false],
    [count(tally.unanswered), 'without an outcome', tally.unanswered > 0],
    [count([...populations.members('grant').keys()].length), 'grants', false],
  ];
  return html`${lede(populations, tally)}<div class="cards">${cards.map(
    ([figure, label, bad]) =>
      html`<div class="card${bad ? ' bad' : ''}"><b>${figure}</b><span>${label}</span></div>`,
  )}</div>
`;
}

/** The answer in one sentence, where the package is about one principal. */
function lede(populations: Populations, tally: ReportTally): Html {
  const [principal, ...others] = populations.members('principal').values();
  if (principal === undefined || others.length > 0) return html``;
  const all = [...populations.members('grant').values()];
  const used = [...populations.members('grant')]
    .filter(([id]) => tally.commandsUnder(id) > 0)
    .map(([, grant]) => grant);
  const authorities = used.map(
    (grant) => (grant.state.authority ?? {}) as Parameters<typeof authorityWords>[0] & { ticket?: string },
  );
  const unique = (names: readonly (string | undefined)[]): string =>
    [...new Set(names.filter((name) => name !== undefined && name !== null))].join(', ') || 'nobody named';
  const live = all.filter(({ state }) => state.status === 'active').length;
  return html`<p class="lede"><b>${String(principal.state.name)}</b>, for which <b>${refName(principal.state.owner)}</b> answers, ran <b>${count(tally.allowed)}</b> commands${used.length === 0 ? '' : html` on ${unique(used.map(({ state }) => refName(state.resource)))}`}${
    used.length === 0
      ? ''
      : html`, under ${used.length === 1 ? 'one grant' : html`${count(used.length)} grants`} approved by <b>${unique(authorities.flatMap(authorityWords))}</b> (${unique(authorities.map(({ ticket }) => ticket))})`
  }. ${tally.denied === 0 ? 'Nothing was refused.' : html`<b>${count(tally.denied)}</b> were refused.`} ${
    live === 0
      ? 'No grant of it is open any more.'
      : html`${count(live)} of its grants ${live === 1 ? 'was' : 'were'} still open at this log position.`
  }</p>
`;
}

function deeds(tally: ReportTally): Html {
  const rows = tally.deeds().map(
    (deed) =>
      html`<tr><td>${deed.principal}</td><td><b>${deed.verb}</b></td><td><code>${deed.object || '(no object)'}</code></td><td class="n">${count(deed.allowed)}</td><td class="n">${deed.denied === 0 ? '' : count(deed.denied)}</td><td class="n">${count(deed.rows)}</td></tr>
`,
  );
  return html`<h2>What was done</h2>
${table(['Principal', 'Verb', 'Object', '#Let through', '#Refused', '#Rows'], rows)}`;
}

function refusals(tally: ReportTally): Html {
  if (tally.denied === 0)
    return html`<h2>What was refused</h2>
<p>Nothing.</p>`;
  const rows = tally.refused.map(
    (row) =>
      html`<tr><td class="t">${when(row.time)}</td><td>${row.principal?.name}</td><td><pre>${payloadText(row.payloads.statement) ?? ''}</pre></td><td>${row.why}</td><td class="n">${row.leaf}</td></tr>
`,
  );
  const more = tally.denied - tally.refused.length;
  return html`<h2>What was refused</h2>
${table(['When', 'Principal', 'Statement', 'Why', '#Leaf'], rows)}${
  more === 0 ? '' : html`<p class="soft">And ${count(more)} more, in activity/commands.csv.</p>`
}`;
}

function statements(tally: ReportTally): Html {
  const rows = tally.statements().map(
    (s) =>
      html`<tr><td class="n">${count(s.count)}</td><td><pre>${s.example}</pre></td><td>${s.verbs.join(', ')}</td><td class="n">${s.leaf}</td></tr>
`,
  );
  if (rows.length === 0) return html``;
  return html`<h2>Distinct statements</h2>
<p class="soft">One example of each kind, the first of them. ${
    tally.moreStatements === 0
      ? ''
      : `Only the first ${SHOWN} kinds are shown; ${count(tally.moreStatements)} more commands are in activity/commands.csv.`
  }</p>
${table(['#Times', 'Example', 'Verbs', '#First leaf'], rows)}`;
}

function verification(log: LogPosition, coverage: Manifest['coverage'], { manifest }: ReportFacts): Html {
  const proves =
    coverage === 'log'
      ? 'All entries of the log are in this package, so its completeness can be recomputed: nothing was left out up to the log position below.'
      : 'This package shows one principal and nobody else. Its records are numbered without gaps, so none between the first and the last is missing; that the last one is the last is the signed statement of the log’s operator in manifest.json.';
  return html`<h2>How to check this</h2>
<div class="box"><p>${proves}</p><p>Run <code>postern verify</code> on the package, offline, with the verifier key that you hold from an earlier package or a witness: <code>postern verify PACKAGE --key KEY</code>. VERIFY.md says how to do it with other tools.</p></div>
<dl>
<dt>Log</dt><dd>${log.origin}</dd>
<dt>Position</dt><dd>${count(log.size)} leaves${log.time === null ? '' : `, the last in this package of ${when(log.time)}`}</dd>
<dt>Root hash</dt><dd><code>${log.root}</code></dd>
<dt>Verifier key</dt><dd><code>${log.vkey}</code></dd>
<dt>Records in this package</dt><dd>${count(manifest.counts.leaves)}</dd>
</dl>`;
}
