import { ASSESS_TABLES, RECORDS_TABLE } from '../assess/tables.ts';
import type { Assessment, AssessmentResult, ResultRow } from '../assess/types.ts';
import {
  asOfTime,
  Ids,
  type JsonObject,
  label,
  type OscalFacts,
  origins,
  positionProps,
  prop,
} from './parts.ts';
import { line, paragraphs, value } from './text.ts';

/** Failing rows that are named one by one; all of them are in assertions.json, as far as that has them. */
const NAMED = 100;
const ASSERTIONS = '../assertions.json';

/** What one objective comes to in OSCAL. An objective that is not evaluable has an observation and no finding: nothing is found of it. */
export interface Told {
  readonly result: AssessmentResult;
  readonly observation: JsonObject;
  readonly finding: JsonObject | null;
  readonly risk: JsonObject | null;
}

/** What was observed and found of every objective that was put to a query, in the order of the framework. */
export function tell(facts: OscalFacts): readonly Told[] {
  const ids = new Ids(facts);
  const { assessment } = facts;
  return assessment.results
    .map((result, at) => ({ result, at }))
    .filter(({ result }) => result.outcome !== 'organizational')
    .map(({ result, at }) => ({
      result,
      observation: observation(result, at, assessment, ids),
      finding: result.outcome === 'pass' || result.outcome === 'fail' ? finding(result, at, ids) : null,
      risk: result.outcome === 'fail' ? risk(result, at, ids) : null,
    }));
}

const WORDS = {
  pass: 'Passed: no row fails.',
  fail: 'Failed.',
  not_evaluable: 'Not evaluable.',
  reported: 'Reported, without a verdict.',
  organizational: '',
} as const;

function figures({ outcome, reason, examined, failingCount, reportedCount }: AssessmentResult): string {
  const looked = examined === null ? '' : ` ${examined} examined.`;
  if (outcome === 'not_evaluable') return `${WORDS[outcome]} ${line(reason ?? '')}`;
  if (outcome === 'reported') return `${WORDS[outcome]}${looked} ${reportedCount} rows.`;
  return `${WORDS[outcome]}${looked}${outcome === 'fail' ? ` ${failingCount} fail.` : ''}`;
}

function observation(result: AssessmentResult, at: number, assessment: Assessment, ids: Ids): JsonObject {
  const { objective, asserts, outcome, query, limits } = result;
  const rows = outcome === 'reported' ? result.reported : result.failing;
  const total = outcome === 'reported' ? result.reportedCount : result.failingCount;
  return {
    uuid: ids.of('observation', at),
    title: line(`${label(objective)}: ${asserts}`),
    description: paragraphs(line(asserts), figures(result), limits && `Not claimed: ${line(limits)}`),
    props: [
      prop('objective', objective),
      prop('outcome', outcome),
      ...(result.examined === null ? [] : [prop('examined', result.examined)]),
      prop('failing', result.failingCount),
      ...(query === null ? [] : [prop('query', query.id), prop('query-sha256', query.sha256)]),
      ...result.parameters.map((id) => parameter(id, assessment)),
    ],
    methods: ['TEST'],
    types: ['control-objective'],
    origins: origins(ids),
    subjects: [{ 'subject-uuid': ids.gateway, type: 'component' }],
    'relevant-evidence': [
      {
        href: ASSERTIONS,
        description: 'The result with its query and rows, and the checkpoint of the log that it is as of.',
        props: [
          ...positionProps(assessment),
          prop('failing-sha256', result.failingSha256),
          prop('reported-sha256', result.reportedSha256),
        ],
      },
      ...tableFiles(result.populations).map(([file, tables]) => ({
        href: `../${file}`,
        description: line(`From which ${tables.join(', ')} was made.`),
      })),
      ...rows.slice(0, NAMED).map((row) => evidence(row, outcome)),
    ],
    collected: asOfTime(assessment),
    ...(total > NAMED ? { remarks: `${total - NAMED} more rows are in assertions.json or its query.` } : {}),
  };
}

/** The files of the package that tables were made from; those that it does not have are of no file. */
function tableFiles(
  tables: readonly string[],
): readonly (readonly [file: string, tables: readonly string[]])[] {
  const known = tables.flatMap((name) => {
    // What stood at the end of a period is folded from the records.
    const of = name.endsWith('_end') ? RECORDS_TABLE : ASSESS_TABLES.find((table) => table.name === name);
    return of === undefined ? [] : [{ name, file: of.file }];
  });
  const byFile = Map.groupBy(known, ({ file }) => file);
  return [...byFile].map(([file, made]) => [file, made.map(({ name }) => name)]);
}

/** A row with the record that it rests on. What people typed is in it as text. */
function evidence(row: ResultRow, outcome: AssessmentResult['outcome']): JsonObject {
  const told = Object.entries(row)
    .filter(([, content]) => content !== null)
    .map(([name, content]) => `${name}: ${content}`);
  const leaf = row.leaf;
  return {
    description: line(`${outcome === 'fail' ? 'Fails' : 'Row'}. ${told.join('; ')}`),
    props: [
      ...(typeof leaf === 'number' ? [prop('leaf', leaf)] : []),
      ...(typeof row.id === 'string' ? [prop('record', row.id)] : []),
      prop('row', JSON.stringify(row)),
    ],
  };
}

function parameter(id: string, { parameters }: Assessment): JsonObject {
  const set = parameters.find((one) => one.id === id)?.value ?? null;
  return prop('parameter', `${id}=${set === null ? '(not set)' : JSON.stringify(set)}`);
}

function finding(result: AssessmentResult, at: number, ids: Ids): JsonObject {
  const { objective, asserts, outcome } = result;
  const passed = outcome === 'pass';
  return {
    uuid: ids.of('finding', at),
    title: line(`${label(objective)}: ${passed ? 'no row fails' : 'rows fail'}`),
    description: paragraphs(line(asserts), figures(result)),
    origins: origins(ids),
    target: {
      type: 'objective-id',
      'target-id': objective,
      status: {
        state: passed ? 'satisfied' : 'not-satisfied',
        reason: passed ? 'pass' : 'fail',
        remarks: 'Of this objective as far as its query goes; no statement on the control as a whole.',
      },
    },
    'related-observations': [{ 'observation-uuid': ids.of('observation', at) }],
    ...(passed ? {} : { 'related-risks': [{ 'risk-uuid': ids.of('risk', at) }] }),
  };
}

function risk(result: AssessmentResult, at: number, ids: Ids): JsonObject {
  const { objective, asserts } = result;
  return {
    uuid: ids.of('risk', at),
    title: line(`${label(objective)} does not hold for every row`),
    description: paragraphs(line(asserts), figures(result)),
    statement: 'What it means for the institution is for the institution to judge.',
    props: [prop('objective', objective), prop('control', value(result.control))],
    status: 'open',
    origins: origins(ids),
    'related-observations': [{ 'observation-uuid': ids.of('observation', at) }],
  };
}
