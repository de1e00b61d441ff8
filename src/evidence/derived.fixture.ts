/** What files of a package are derived from, of a small log without a package. */
import { Story } from '../activity/story.fixture.ts';
import type { LeafRecord } from '../ledger/leaf.ts';
import { CommandSummary } from './assess/command-summary.ts';
import type { Assessment, AssessmentResult, Framework, Outcome } from './assess/types.ts';
import { OUTCOMES } from './assess/types.ts';
import type { DerivedInput } from './derived.ts';
import { tellNights } from './package.fixture.ts';
import { Populations } from './populations.ts';
import { ReportTally } from './report-tally.ts';

/** A framework of one control for each outcome, and its results. */
function assessed(input: Pick<DerivedInput, 'manifest'>): Pick<DerivedInput, 'framework' | 'assessment'> {
  const { origin, size, root, time } = input.manifest.log;
  const period = {
    name: '2026-Q4',
    since: '2026-10-01T00:00:00.000000Z',
    until: '2027-01-01T00:00:00.000000Z',
    zone: 'UTC',
  };
  const results = OUTCOMES.map(resultOf);
  const framework: Framework = {
    id: 'test',
    title: 'Test framework',
    version: '1',
    source: 'https://example.org/framework',
    parameters: [],
    controls: results.map(({ control, objective, asserts }, i) => ({
      id: control,
      title: `Control ${i + 1} <b>`,
      objectives: [{ id: objective, asserts, kind: 'assertion' }],
    })),
  };
  const counts = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 1])) as Assessment['counts'];
  const { id, title, version, source } = framework;
  return {
    framework,
    assessment: {
      framework: { id, title, version, source, sha256: 'ab' },
      period,
      asOf: { origin, size, root, time },
      parameters: [
        { id: 'days', label: 'Days without use', type: 'days', odp: ['ac-02.03_odp.01'], value: null },
      ],
      parametersFrom: null,
      counts,
      results,
    },
  };
}

function resultOf(outcome: Outcome, i: number): AssessmentResult {
  const failing =
    outcome === 'fail'
      ? Array.from({ length: 40 }, (_, n) => ({
          leaf: n,
          name: `=cmd|'${n}'`,
          note: 'Ünïcode ✓ 中文 \u202e<img>',
        }))
      : [];
  return {
    control: `c-${i + 1}`,
    objective: `c-${i + 1}_obj.a`,
    asserts: `Something is so (${outcome}).`,
    outcome,
    ...(outcome === 'not_evaluable' && { reason: 'The parameter days is not set.' }),
    when: 'end',
    populations: ['principals'],
    parameters: outcome === 'not_evaluable' ? ['days'] : [],
    query:
      outcome === 'organizational'
        ? null
        : { id: 'q', examined: 'select 40', rows: "select * from principals where name < 'x'", sha256: 'cd' },
    examined: outcome === 'organizational' || outcome === 'not_evaluable' ? null : 40,
    failing,
    failingCount: failing.length,
    failingSha256: 'ef',
    reported: outcome === 'reported' ? [{ leaf: 3, name: 'listed' }] : [],
    reportedCount: outcome === 'reported' ? 1 : 0,
    reportedSha256: 'ef',
    ...(outcome === 'organizational' && { document: 'The policy of the institution.' }),
    ...(outcome === 'pass' && { limits: 'Nothing is said of other systems.' }),
  };
}

/** @param tell what is in the log; the nights of `tellNights`, where nothing is said */
export function derivedInput(tell: (story: Story) => void = tellNights): DerivedInput {
  const story = new Story();
  tell(story);
  const populations = new Populations();
  for (const [leaf, { record }] of story.told.entries()) {
    populations.take(leaf, { v: 1, leaf, ...record } as unknown as LeafRecord);
  }
  const facts = {
    populations,
    tally: new ReportTally(),
    summary: new CommandSummary(),
    manifest: {
      parameters: { principal: null, resource: null, since: null, until: null, statements: 'full' },
      log: { origin: 'log.test', size: story.told.length, root: 'AA==', vkey: 'v', time: story.time },
      coverage: 'log',
      principals: [],
      counts: { leaves: story.told.length, commands: 0, allowed: 0, denied: 0, unanswered: 0 },
    },
  } as const;
  return { ...facts, ...assessed(facts) };
}
