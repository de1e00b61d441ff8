import type { CheckResult, Finding, Report } from '../../findings.ts';
import { secondsAsTime } from '../../format-report.ts';
import { count, el } from './dom.ts';
import { notProven, proven, verdictOf } from './meaning.ts';
import { textsShown } from './texts.ts';

/** What is shown of a verification that came to an end. */
export function showReport(
  report: Report,
  {
    name,
    text,
    seconds,
    heldCheckpoint,
  }: { name: string; text: string; seconds: number; heldCheckpoint: boolean },
): HTMLElement {
  const verdict = verdictOf(report);
  const yes = proven(report, heldCheckpoint);
  return el(
    'section',
    { 'aria-labelledby': 'verdict' },
    el(
      'div',
      { class: `verdict ${verdict.kind}` },
      el('h2', { id: 'verdict', tabindex: '-1' }, verdict.title),
      el('p', {}, verdict.text),
    ),
    findings(report.findings),
    facts(report, name, seconds),
    yes.length === 0 ? null : points('What this proves', 'yes', yes),
    points(
      report.ok ? 'What it does not prove' : 'What no verification of it can prove',
      'no',
      notProven(report, heldCheckpoint),
    ),
    textsShown(report),
    checks(report.checks),
    el(
      'details',
      {},
      el('summary', {}, 'The same as plain text, as the command line says it'),
      el('pre', {}, text),
    ),
  );
}

/** What is shown where verification did not come to an end. */
export function showError(message: string): HTMLElement {
  return el(
    'section',
    { 'aria-labelledby': 'verdict' },
    el(
      'div',
      { class: 'verdict bad' },
      el('h2', { id: 'verdict', tabindex: '-1' }, 'Could not be verified'),
      el('p', {}, message),
    ),
  );
}

function facts(report: Report, name: string, seconds: number): HTMLElement {
  const { key, log, made, parameters, coverage } = report;
  const rows: [string, string | Node][] = [['Package', name]];
  if (parameters !== null) {
    const about = [
      parameters.principal === null ? 'all principals' : `principal ${parameters.principal.name}`,
      parameters.resource === null ? 'all resources' : `resource ${parameters.resource.name}`,
      parameters.since === null ? null : `since ${parameters.since}`,
      parameters.until === null ? null : `until ${parameters.until}`,
    ];
    rows.push(['About', about.filter((part) => part !== null).join(', ')]);
  }
  if (coverage !== null) {
    rows.push([
      'Holds',
      coverage === 'log'
        ? 'every record of the log up to its size'
        : 'the records of one principal, and hashes of all others',
    ]);
  }
  if (made !== null) rows.push(['Made by', `${made.by.name}, ${made.at}`]);
  if (log !== null) {
    rows.push(
      ['Log', log.origin],
      ['Size', `${count(log.size)} leaves`],
      ['Root hash', el('code', {}, log.root)],
    );
  }
  rows.push(['Witnesses', witnessesOf(report)]);
  if (key !== null) {
    const whence = key.pinned ? 'given by you' : 'taken from the package, not confirmed by you';
    rows.push(['Verifier key', el('span', {}, el('code', {}, key.vkey), el('br'), whence)]);
  }
  rows.push([
    'Verified',
    `${new Date().toISOString().slice(0, 19)}Z, in ${seconds.toFixed(1)} s, on this device`,
  ]);
  return el(
    'div',
    {},
    el('h3', {}, 'The package'),
    el('dl', {}, ...rows.flatMap(([term, value]) => [el('dt', {}, term), el('dd', {}, value)])),
  );
}

function witnessesOf({ witnesses }: Report): Node {
  if (witnesses === null) return el('span', {}, 'no policy names any');
  const { policy, met, cosigned, absent, earlier } = witnesses;
  const lines = [
    ...cosigned.map(({ witness, time }) => `${witness} cosigned it at ${secondsAsTime(time)}`),
    ...absent.map((name) => `${name} did not cosign it`),
    `${policy === 'given' ? 'Your policy' : 'The policy in the package, which its operator chose,'} is ${met ? 'met' : 'not met'}`,
    ...(earlier === null ? [] : [`It is met for the first ${count(earlier)} leaves`]),
  ];
  return el('span', {}, ...lines.flatMap((line, i) => (i === 0 ? [line] : [el('br'), line])));
}

function points(title: string, kind: string, texts: readonly string[]): HTMLElement {
  return el(
    'div',
    {},
    el('h3', {}, title),
    el('ul', { class: `points ${kind}` }, ...texts.map((text) => el('li', {}, text))),
  );
}

function checks(all: readonly CheckResult[]): HTMLElement {
  const rows = all.map((check) => {
    const [kind, word] = stateOf(check);
    return el(
      'tr',
      {},
      el('th', { scope: 'row' }, check.name),
      el('td', {}, el('span', { class: `state ${kind}` }, word)),
      el('td', { class: 'n' }, check.count === 0 ? '' : count(check.count)),
      el('td', { class: 'soft' }, kind === 'none' ? '' : check.detail),
    );
  });
  const heads = ['Check', 'Result', 'Looked at', 'Remark'];
  return el(
    'div',
    {},
    el('h3', {}, 'Every check'),
    el(
      'div',
      { class: 'wrap', role: 'region', 'aria-label': 'Every check', tabindex: '0' },
      el(
        'table',
        {},
        el(
          'thead',
          {},
          el(
            'tr',
            {},
            ...heads.map((head, i) => el('th', { scope: 'col', ...(i === 2 && { class: 'n' }) }, head)),
          ),
        ),
        el('tbody', {}, ...rows),
      ),
    ),
  );
}

function stateOf({ ok, count: looked, detail }: CheckResult): [string, string] {
  if (!ok) return detail === 'not checked' ? ['none', 'not checked'] : ['bad', 'failed'];
  return looked === 0 ? ['none', 'nothing to check'] : ['good', 'passed'];
}

function findings(all: readonly Finding[]): HTMLElement | null {
  if (all.length === 0) return null;
  const files = Map.groupBy(all, ({ file }) => file);
  const groups = [...files].map(([file, found]) =>
    el('div', { class: 'file' }, el('h4', {}, el('code', {}, file)), el('ul', {}, ...found.map(finding))),
  );
  return el('div', {}, el('h3', {}, 'What is wrong'), ...groups);
}

function finding({ leaf, record, message, check }: Finding): HTMLElement {
  const where = [
    leaf === undefined ? null : `leaf ${leaf}`,
    record === undefined ? null : `record ${record}`,
    `check: ${check}`,
  ];
  return el(
    'li',
    {},
    message,
    el('br'),
    el('span', { class: 'soft' }, where.filter((part) => part !== null).join(' · ')),
  );
}
