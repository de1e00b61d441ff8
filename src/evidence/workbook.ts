import type { ResultRow } from './assess/types.ts';
import { flatText } from './csv.ts';
import type { DerivedFile, DerivedInput } from './derived.ts';
import { FILES, POPULATIONS, type Population } from './format.ts';
import { outcomeWords } from './outcome-words.ts';
import { populationCells, populationColumns } from './population-columns.ts';
import { type Cell, type Sheet, SpreadsheetWriter } from './spreadsheet.ts';

/** Columns that hold times. */
const TIMES = /(?:At|Time|^time|^start|^end|^since|By|^first|^last)$/;

/** The assertions, the populations and what was done, for those who live in spreadsheets. */
export const WORKBOOK: DerivedFile = {
  path: FILES.workbook,
  make: (input) => {
    const chunks: Uint8Array[] = [];
    const writer = new SpreadsheetWriter((bytes) => void chunks.push(bytes));
    for (const sheet of sheetsOf(input)) writer.add(sheet);
    writer.end();
    return Buffer.concat(chunks);
  },
};

function* sheetsOf(input: DerivedInput): Generator<Sheet> {
  yield summary(input);
  yield assertions(input);
  yield rowsOf(input, 'failing rows', 'failing');
  yield rowsOf(input, 'reported rows', 'reported');
  yield parameters(input);
  yield deeds(input);
  for (const population of POPULATIONS) yield populationSheet(input, population);
}

function summary({ manifest, tally, assessment }: DerivedInput): Sheet {
  const { log, parameters, counts } = manifest;
  const { framework, period } = assessment;
  const outcomes = Object.entries(assessment.counts).map(
    ([outcome, count]) => [`Objectives: ${outcomeWords(outcome)}`, count] as const,
  );
  const rows: readonly (readonly [string, Cell])[] = [
    ['About', parameters.principal?.name ?? parameters.resource?.name ?? 'all machine access'],
    ['Framework', `${framework.title}, ${framework.version}`],
    ['Period', `${period.name} (${period.zone})`],
    ['From', period.since],
    ['Until, not included', period.until],
    ...outcomes,
    [
      'Coverage',
      manifest.coverage === 'log' ? 'every record of the log' : 'one principal and what its records refer to',
    ],
    ['Log', log.origin],
    ['Leaves of the log', log.size],
    ['Root hash', log.root],
    ['Verifier key', log.vkey],
    ['Last record', log.time],
    ['Records in this package', counts.leaves],
    ['Commands let through', tally.allowed],
    ['Commands refused', tally.denied],
    ['Commands that failed at the resource', tally.failed],
    ['Commands without an outcome', tally.unanswered],
    [
      'What this is',
      'Evidence of operation. It says what the log shows, and nothing of what is done outside of Postern.',
    ],
    [
      'How to verify it',
      'postern verify PACKAGE makes this file again from the records of the log and compares it byte for byte. A workbook that was saved again proves nothing.',
    ],
    [
      'Times',
      'UTC. Cut to milliseconds; populations/*.ndjson has microseconds. The commands themselves are in activity/.',
    ],
  ];
  return { name: 'summary', columns: [{ title: 'what' }, { title: 'value', time: true }], rows };
}

const ASSERTIONS = [
  ...[
    'control',
    'title',
    'objective',
    'outcome',
    'what is asserted',
    'reason',
    'looked at',
    'failing',
    'reported',
  ],
  ...[
    'as of',
    'populations',
    'parameters',
    'document to attach',
    'not claimed',
    'query',
    'SHA-256 of the query',
  ],
];

function assertions({ framework, assessment }: DerivedInput): Sheet {
  const titles = new Map(framework.controls.map(({ id, title }) => [id, title]));
  const rows = assessment.results.map((result): readonly Cell[] => [
    ...[result.control, titles.get(result.control) ?? null, result.objective, outcomeWords(result.outcome)],
    ...[result.asserts, result.reason ?? null, result.examined, result.failingCount, result.reportedCount],
    result.when === null ? null : result.when === 'end' ? 'the end of the period' : 'the period',
    ...[result.populations.join('; '), result.parameters.join('; ')],
    ...[
      result.document ?? null,
      result.limits ?? null,
      result.query?.rows ?? null,
      result.query?.sha256 ?? null,
    ],
  ]);
  return { name: 'assertions', columns: ASSERTIONS.map((title) => ({ title })), rows };
}

/** Rows of different queries have different columns: each is told as what it is called and says. */
function rowsOf({ assessment }: DerivedInput, name: string, of: 'failing' | 'reported'): Sheet {
  const rows = assessment.results.flatMap((result) =>
    result[of].map((row, i): readonly Cell[] => [
      ...[result.control, result.objective, i + 1, typeof row.leaf === 'number' ? row.leaf : null],
      told(row),
    ]),
  );
  return { name, columns: ['control', 'objective', 'row', 'leaf', 'what'].map((title) => ({ title })), rows };
}

function told(row: ResultRow): string {
  return Object.entries(row)
    .filter(([key]) => key !== 'leaf')
    .map(([key, value]) => `${key}: ${value ?? ''}`)
    .join('\n');
}

function parameters({ assessment }: DerivedInput): Sheet {
  return {
    name: 'parameters in force',
    columns: ['parameter', 'label', 'type', 'as frameworks name it', 'value'].map((title) => ({ title })),
    rows: assessment.parameters.map(({ id, label, type, odp, value }) => [
      ...[id, label, type, odp.join('; ')],
      value === null ? 'not set' : cellOf(value),
    ]),
  };
}

function deeds({ tally }: DerivedInput): Sheet {
  return {
    name: 'what was done',
    columns: ['principal', 'verb', 'object', 'let through', 'refused', 'rows'].map((title) => ({ title })),
    rows: tally
      .deeds()
      .map(({ principal, verb, object, allowed, denied, rows }) => [
        principal,
        verb,
        object,
        allowed,
        denied,
        rows,
      ]),
  };
}

function populationSheet({ populations }: DerivedInput, population: Population): Sheet {
  return {
    name: population.replaceAll('_', ' '),
    columns: populationColumns(population).map((title) => ({ title, time: TIMES.test(title) })),
    rows: cellsOf(population, populations.rows(population)),
  };
}

function* cellsOf(
  population: Population,
  rows: Iterable<Readonly<Record<string, unknown>>>,
): Generator<readonly Cell[]> {
  for (const row of rows) yield populationCells(population, row).map(cellOf);
}

function cellOf(value: unknown): Cell {
  if (value === null || value === undefined) return null;
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'string') return value;
  return flatText(value);
}
