/** A framework and an assessment by it, with whatever texts somebody may have typed. */
import { hash } from 'node:crypto';
import type { Assessment, AssessmentResult, Framework, Objective, Outcome } from '../assess/types.ts';
import type { OscalFacts } from './parts.ts';

const OUTCOMES: readonly Outcome[] = ['pass', 'fail', 'not_evaluable', 'reported', 'organizational'];

/** @param text stands wherever a person's words can get */
export function facts(text: string, id = 'ffiec', rows = 2): OscalFacts {
  const objectives = OUTCOMES.map(
    (outcome, at): Objective => ({
      id: `ac-2_obj.${'abcdef'[at]}`,
      asserts: `${outcome}: ${text}`,
      kind: outcome === 'organizational' || outcome === 'reported' ? KIND[outcome] : 'assertion',
      limits: text,
      document: text,
    }),
  );
  const framework: Framework = {
    id,
    title: `Framework ${text}`,
    version: '1',
    source: 'https://example.org/text',
    parameters: [],
    controls: [
      {
        id: 'ac-2',
        title: text,
        part: `Part ${text}`,
        crosswalk: { csf20: ['PR.AA-05'], cri: ['PR.AA-05.03'] },
        objectives,
      },
      { id: 'ac-3', title: 'Nothing of it', objectives: [] },
    ],
  };
  return { framework, assessment: assessment(framework, objectives, text, rows) };
}

const KIND = { organizational: 'organizational', reported: 'report' } as const;

function assessment(
  framework: Framework,
  objectives: readonly Objective[],
  text: string,
  rows: number,
): Assessment {
  const row = (leaf: number) => ({ leaf, id: `row ${leaf}`, name: text, nothing: null });
  const results = objectives.map((objective, at): AssessmentResult => {
    const outcome = OUTCOMES[at] ?? 'pass';
    const told = Array.from({ length: rows }, (_, leaf) => row(leaf));
    const failing = outcome === 'fail' ? told : [];
    const reported = outcome === 'reported' ? told : [];
    return {
      control: 'ac-2',
      objective: objective.id,
      asserts: objective.asserts,
      outcome,
      ...(outcome === 'not_evaluable' ? { reason: text } : {}),
      when: 'period',
      populations: ['grants'],
      parameters: ['review_days'],
      query:
        outcome === 'organizational'
          ? null
          : {
              id: 'q',
              examined: 'select count(*) from grants',
              rows: `-- ${text}\nselect 1`,
              sha256: hash('sha256', text),
            },
      examined: outcome === 'pass' || outcome === 'fail' ? rows : null,
      failing,
      failingCount: failing.length,
      failingSha256: hash('sha256', JSON.stringify(failing)),
      reported,
      reportedCount: reported.length,
      reportedSha256: hash('sha256', JSON.stringify(reported)),
      limits: text,
    };
  });
  const { id, title, version, source } = framework;
  return {
    framework: { id, title, version, source, sha256: hash('sha256', JSON.stringify(framework)) },
    period: {
      name: '2026-Q3',
      since: '2026-07-01T00:00:00.000000Z',
      until: '2026-10-01T00:00:00.000000Z',
      zone: 'UTC',
    },
    asOf: { origin: 'postern.local/x', size: 9, root: 'AAAA', time: '2026-10-02T01:02:03.000004Z' },
    parameters: [{ id: 'review_days', label: text, type: 'days', odp: ['ac-02_odp.10'], value: null }],
    parametersFrom: null,
    counts: { pass: 1, fail: 1, not_evaluable: 1, reported: 1, organizational: 1 },
    results,
  };
}
