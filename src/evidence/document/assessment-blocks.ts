import type { CommandSummary } from '../assess/command-summary.ts';
import type {
  Assessment,
  AssessmentResult,
  Control,
  Framework,
  Outcome,
  ResultRow,
} from '../assess/types.ts';
import { flatText } from '../csv.ts';
import type { Manifest } from '../format.ts';
import { outcomeWords } from '../outcome-words.ts';
import { count, when } from '../report-parts.ts';
import { activityBlocks } from './activity-blocks.ts';
import type { Block, Cell, TableColumn, Tone } from './blocks.ts';

export interface AssessedFacts {
  readonly framework: Framework;
  readonly assessment: Assessment;
  readonly manifest: Pick<Manifest, 'parameters' | 'log' | 'coverage' | 'counts'>;
  readonly summary: Pick<CommandSummary, 'rows'>;
}

/** Failing rows that are shown of an objective; all of the first 1,000 are in assertions.json. */
const ROWS = 25;
/** Columns of a row that are shown side by side; the others follow in the last. */
const COLUMNS = 6;
export const TONES: Readonly<Record<Outcome, Tone>> = {
  pass: 'good',
  fail: 'bad',
  not_evaluable: 'open',
  reported: 'plain',
  organizational: 'plain',
};

/** The first page: what came out, what failed, what cannot be said, and what the institution adds. */
export function summaryBlocks(facts: AssessedFacts): Block[] {
  const { framework, assessment } = facts;
  const { counts, results } = assessment;
  const computed = counts.pass + counts.fail;
  const of = (outcome: Outcome): AssessmentResult[] => results.filter((result) => result.outcome === outcome);
  const bars = (Object.keys(TONES) as Outcome[]).map((outcome) => ({
    label: outcomeWords(outcome),
    value: counts[outcome],
    tone: TONES[outcome],
  }));
  return [
    { kind: 'text', text: sentence(counts, framework.controls.length, computed) },
    { kind: 'bars', title: 'Objectives by outcome', bars },
    { kind: 'heading', level: 2, text: 'What failed', id: 'failed' },
    of('fail').length === 0
      ? {
          kind: 'text',
          text: counts.pass === 0 ? 'Nothing could be computed, so nothing failed.' : 'Nothing.',
        }
      : table(
          FAILED,
          of('fail').map((result) => [linked(result), result.asserts, ratio(result)]),
        ),
    { kind: 'heading', level: 2, text: 'What cannot be said', id: 'open' },
    of('not_evaluable').length === 0
      ? { kind: 'text', text: 'Nothing: each assertion could be computed.' }
      : table(OPEN, reasons(of('not_evaluable'))),
    { kind: 'heading', level: 2, text: 'What the institution attaches', id: 'attach' },
    of('organizational').length === 0
      ? { kind: 'text', text: 'Nothing.' }
      : table(
          ATTACH,
          of('organizational').map((result) => [linked(result), result.document ?? result.asserts]),
        ),
    ...activityBlocks(facts),
  ];
}

const FAILED: readonly TableColumn[] = [
  { title: 'Objective', share: 16 },
  { title: 'What is asserted, and is not so', share: 64 },
  { title: 'Failing', share: 20, numbers: true },
];
const OPEN: readonly TableColumn[] = [
  { title: 'Why', share: 60 },
  { title: 'Objectives', share: 40 },
];
const ATTACH: readonly TableColumn[] = [
  { title: 'Objective', share: 16 },
  { title: 'Document', share: 84 },
];
const PARAMETERS: readonly TableColumn[] = [
  { title: 'Parameter', share: 24, code: true },
  { title: 'What it says', share: 46 },
  { title: 'As set by the institution', share: 30 },
];

/** The parameters, and each control with its objectives. */
export function controlBlocks({ framework, assessment }: AssessedFacts): Block[] {
  const blocks: Block[] = [
    { kind: 'heading', level: 1, text: 'Parameters of the institution', id: 'parameters', break: true },
    ...parameters(assessment),
    { kind: 'heading', level: 1, text: 'Controls', id: 'controls' },
    table(
      CONTROLS,
      framework.controls.map((control) => overview(control, assessment)),
    ),
  ];
  let part: string | undefined;
  for (const control of framework.controls) {
    if (control.part !== undefined && control.part !== part) {
      blocks.push({ kind: 'heading', level: 1, text: control.part, id: `part-${control.id}`, break: true });
    }
    blocks.push(...controlOf(control, assessment, control.part === part || control.part === undefined));
    part = control.part;
  }
  return blocks;
}

const CONTROLS: readonly TableColumn[] = [
  { title: 'Control', share: 14 },
  { title: 'Title', share: 46 },
  { title: 'Outcomes of its objectives', share: 40 },
];

function overview(control: Control, { results }: Assessment): Cell[] {
  const own = results.filter((result) => result.control === control.id);
  const words = (Object.keys(TONES) as Outcome[]).flatMap((outcome) => {
    const n = own.filter((result) => result.outcome === outcome).length;
    return n === 0 ? [] : [`${n} ${outcomeWords(outcome)}`];
  });
  const failed = own.some(({ outcome }) => outcome === 'fail');
  return [
    { text: controlName(control.id), to: `control-${control.id}` },
    control.title,
    failed ? { text: words.join(', '), tone: 'bad' } : words.join(', '),
  ];
}

function controlOf(control: Control, { results }: Assessment, ownPage: boolean): Block[] {
  const own = results.filter((result) => result.control === control.id);
  const failed = own.some(({ outcome }) => outcome === 'fail');
  const { crosswalk = {} } = control;
  const elsewhere = Object.entries(crosswalk).flatMap(([name, ids]) =>
    ids === undefined || ids.length === 0 ? [] : [`${CROSSWALKS[name] ?? name}: ${ids.join(', ')}`],
  );
  return [
    {
      kind: 'heading',
      level: 2,
      text: `${controlName(control.id)} ${control.title}`,
      id: `control-${control.id}`,
      break: failed && ownPage,
    },
    ...(elsewhere.length === 0 ? [] : [{ kind: 'text', soft: true, text: elsewhere.join(' · ') } as const]),
    ...own.flatMap(objective),
  ];
}

/** As people write it: `AC-2(3)` for `ac-2.3`. */
function controlName(id: string): string {
  return id.toUpperCase().replace(/^([A-Z]{2}-\d+)\.(\d+)$/, '$1($2)');
}

const CROSSWALKS: Readonly<Record<string, string>> = {
  csf20: 'NIST CSF 2.0',
  cri: 'CRI Profile',
  'nist-800-53': 'SP 800-53',
};

function objective(result: AssessmentResult): Block[] {
  const { outcome, failing, failingCount, reported, reportedCount } = result;
  const rows = outcome === 'fail' ? failing : reported;
  const all = outcome === 'fail' ? failingCount : reportedCount;
  return [
    {
      kind: 'outcome',
      id: `objective-${result.objective}`,
      word: outcomeWords(outcome),
      tone: TONES[outcome],
      text: `${result.objective}: ${result.asserts}`,
    },
    ...(figures(result) === '' ? [] : [{ kind: 'text', text: figures(result) } as const]),
    ...(rows.length === 0 ? [] : [rowTable(rows.slice(0, ROWS))]),
    ...(all > ROWS
      ? [
          {
            kind: 'text',
            soft: true,
            text: `The first ${ROWS} of ${count(all)}; the others are in assertions.json and workbook.xlsx.`,
          } as const,
        ]
      : []),
    ...(result.document === undefined
      ? []
      : [{ kind: 'text', text: `To be attached: ${result.document}` } as const]),
    ...(result.limits === undefined
      ? []
      : [{ kind: 'text', soft: true, text: `Not claimed: ${result.limits}` } as const]),
    ...(result.query === null ? [] : [{ kind: 'code', text: result.query.rows } as const]),
  ];
}

function figures({
  outcome,
  reason,
  examined,
  failingCount,
  reportedCount,
  when: time,
  populations,
}: AssessmentResult): string {
  if (outcome === 'not_evaluable') return `Nothing is said: ${reason ?? 'no reason is given'}`;
  if (outcome === 'organizational') return '';
  const looked = `${count(examined ?? 0)} looked at in ${populations.join(', ')}`;
  const at = time === 'end' ? 'as of the end of the period' : 'in the period';
  if (outcome === 'reported') return `${looked}, ${at}; ${count(reportedCount)} to be read.`;
  if (examined === 0) return `There was nothing to look at in ${populations.join(', ')}, ${at}.`;
  return outcome === 'pass'
    ? `${looked}, ${at}; none fails.`
    : `${looked}, ${at}; ${count(failingCount)} fail.`;
}

function rowTable(rows: readonly ResultRow[]): Block {
  // An id tells less than a name, and takes more room.
  const keys = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((key) => key !== 'id');
  const shown = keys.slice(0, keys.length > COLUMNS ? COLUMNS - 1 : COLUMNS);
  const rest = keys.slice(shown.length);
  const columns = shown.map((title): TableColumn => {
    const numbers = rows.every((row) => typeof (row[title] ?? 0) === 'number');
    return { title, share: numbers ? 9 : 20, numbers };
  });
  if (rest.length > 0) columns.push({ title: 'more', share: 32 });
  return table(
    columns,
    rows.map((row) => {
      const cells = shown.map((key) => shownValue(row[key]));
      const more = rest.flatMap((key) => {
        const value = shownValue(row[key]);
        return value === '' ? [] : [`${key} ${value}`];
      });
      return rest.length === 0 ? cells : [...cells, more.join(', ')];
    }),
  );
}

/** A value as it reads: times to the second, and JSON of names as the names. */
function shownValue(value: string | number | null | undefined): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number') return String(value);
  return /^[[{]/.test(value) ? flatJson(value) : when(value);
}

function flatJson(text: string): string {
  try {
    return flatText(JSON.parse(text));
  } catch {
    return text; // Somebody's text may begin like JSON.
  }
}

function parameters({ parameters: all, parametersFrom }: Assessment): Block[] {
  const source =
    parametersFrom === null
      ? 'The institution has set none. What depends on one is not evaluable: there is no value that would be right for everybody.'
      : `As ${parametersFrom.by} set them at ${when(parametersFrom.time)} (leaf ${parametersFrom.leaf}, parameters.yaml).`;
  const rows = all.map(({ id, label, value, odp }): Cell[] => [
    id,
    odp.length === 0 ? label : `${label} (${odp.join(', ')})`,
    value === null ? { text: 'not set', tone: 'open' } : String(value),
  ]);
  return [{ kind: 'text', text: source }, ...(rows.length === 0 ? [] : [table(PARAMETERS, rows)])];
}

/** How one reads and checks it, and what it does not say. */
export function closingBlocks({ manifest, assessment }: AssessedFacts): Block[] {
  const { log } = manifest;
  const whole =
    manifest.coverage === 'log'
      ? 'Every record of the log up to the position below is in this package, so that nothing was left out can be computed.'
      : 'This package is about one principal. Its records are numbered without gaps; what an objective says of others is not in it.';
  return [
    {
      kind: 'heading',
      level: 1,
      text: 'How to verify this, and what is not claimed',
      id: 'verify',
      break: true,
    },
    {
      kind: 'text',
      text: `This is evidence of operation: what the records of Postern show of ${assessment.period.name}. It is no judgement of the institution, and no control is called satisfied: each objective is asserted by itself.`,
    },
    {
      kind: 'text',
      text: 'Not claimed: that the operator recorded the truth; anything of access that does not go through Postern, unless it was reconciled; anything from before a first checkpoint left the house; and what the documents say that are to be attached.',
    },
    { kind: 'text', text: whole },
    {
      kind: 'text',
      text: 'Verify it offline, with the verifier key that you hold from an earlier package, a letter or a witness: every assertion is asked again from the populations, every population is folded again from the records, every record is proven to be in the log, and this report is made again and compared byte for byte. VERIFY.md names other tools.',
    },
    { kind: 'code', text: 'postern verify PACKAGE --key KEY --checkpoint EARLIER' },
    {
      kind: 'facts',
      rows: [
        ['Log', log.origin],
        ['Position', `${count(log.size)} leaves`],
        ['Root hash', log.root],
        ['Verifier key', log.vkey],
        ['Last record', log.time === null ? 'none' : when(log.time)],
        ['Framework', `${assessment.framework.title}, ${assessment.framework.version}`],
        ['Its text', assessment.framework.source],
        ['SHA-256 of framework.json', assessment.framework.sha256],
      ],
    },
  ];
}

function sentence(counts: Assessment['counts'], controls: number, computed: number): string {
  const all = Object.values(counts).reduce((sum, n) => sum + n, 0);
  const was =
    computed === 0
      ? 'none could be computed'
      : `${count(computed)} could be computed, of which ${counts.fail === 0 ? 'none failed' : `${count(counts.fail)} failed`}`;
  return `${count(all)} objectives of ${count(controls)} controls: ${was}; ${count(counts.not_evaluable)} could not be; ${count(counts.reported)} are lists to be read; ${count(counts.organizational)} are for the institution to answer.`;
}

/** By reasons. Those that wait for the institution are one: which waits for what is said of each below. */
function reasons(results: readonly AssessmentResult[]): Cell[][] {
  const by = new Map<string, string[]>();
  const unset = new Set<string>();
  let waiting = 0;
  for (const { reason = '', objective: id } of results) {
    const names = UNSET.exec(reason)?.[1];
    if (names === undefined) by.set(reason, [...(by.get(reason) ?? []), id]);
    else {
      waiting += 1;
      for (const name of names.split(', ')) unset.add(name);
    }
  }
  const rows = [...by].map(([reason, ids]): Cell[] => [reason, ids.join(', ')]);
  if (waiting === 0) return rows;
  const why = `The institution has not set ${[...unset].sort().join(', ')}.`;
  return [[why, { text: `${count(waiting)} that wait for these parameters`, to: 'parameters' }], ...rows];
}

const UNSET = /^The institution has not set (.+)\.$/;

const linked = ({ objective: id }: AssessmentResult): Cell => ({ text: id, to: `objective-${id}` });

const ratio = ({ failingCount, examined }: AssessmentResult): string =>
  `${count(failingCount)} of ${count(examined ?? 0)}`;

const table = (columns: readonly TableColumn[], rows: readonly (readonly Cell[])[]): Block => ({
  kind: 'table',
  columns,
  rows,
});
