import type { AssessmentResult, Objective } from '../assess/types.ts';
import { frameworkSource } from './catalog.ts';
import {
  gatewayComponent,
  Ids,
  isComputed,
  isPublished,
  type JsonObject,
  label,
  metadata,
  type OscalFacts,
  prop,
  reviewedControls,
  some,
  toolAssets,
} from './parts.ts';
import { block, line, paragraphs } from './text.ts';

/**
 * What was going to be looked at and how: a query for each objective that the records speak of, and for the others the
 * document that the institution attaches.
 *
 * @see https://pages.nist.gov/OSCAL-Reference/models/v1.2.1/assessment-plan/json-outline/
 */
export function assessmentPlan(facts: OscalFacts): JsonObject {
  const { framework, assessment } = facts;
  const ids = new Ids(facts);
  const { results, period } = assessment;
  const ssp = ids.of('plan', 'ssp');
  return {
    'assessment-plan': {
      uuid: ids.of('plan'),
      metadata: metadata(`Plan: ${framework.title}, ${period.name}`, facts),
      'import-ssp': {
        href: `#${ssp}`,
        remarks: 'The plan of the system that the gateway serves is the institution’s own.',
      },
      'local-definitions': {
        components: [gatewayComponent(facts, ids)],
        ...some('objectives-and-methods', isPublished(framework) ? [] : localObjectives(facts)),
        ...some(
          'activities',
          results.map((result, at) => activity(result, at, ids)),
        ),
      },
      'reviewed-controls': reviewedControls(
        results.map(({ control }) => control),
        results.map(({ objective }) => objective),
      ),
      'assessment-subjects': [
        { type: 'component', 'include-subjects': [{ 'subject-uuid': ids.gateway, type: 'component' }] },
      ],
      'assessment-assets': toolAssets(ids),
      tasks: [
        {
          uuid: ids.of('plan', 'task'),
          type: 'action',
          title: line(`The records of ${period.name}`),
          description: line(
            `The records of ${period.since} to ${period.until}, the end not included, by the calendar of ${period.zone}.`,
          ),
          timing: { 'within-date-range': { start: period.since, end: period.until } },
          ...some(
            'associated-activities',
            results.map((_, at) => ({
              'activity-uuid': ids.of('activity', at),
              subjects: [
                {
                  type: 'component',
                  'include-subjects': [{ 'subject-uuid': ids.gateway, type: 'component' }],
                },
              ],
            })),
          ),
        },
      ],
      'back-matter': {
        resources: [
          {
            uuid: ssp,
            title: 'System security plan',
            description: 'Supplied by the institution; no part of this package.',
            props: [{ name: 'type', value: 'plan' }],
          },
          frameworkSource(framework, ids.of('plan', 'source')),
        ],
      },
    },
  };
}

/** Objectives of a framework that nobody publishes in OSCAL: those of catalog.json, said again for tools that read the plan alone. */
function localObjectives({ framework }: OscalFacts): readonly JsonObject[] {
  return framework.controls
    .filter(({ objectives }) => objectives.length > 0)
    .map(({ id, objectives }) => ({
      'control-id': id,
      parts: [...new Set(objectives.map((one) => one.id))].map((one) => ({
        id: one,
        name: 'assessment-objective',
        prose: objectives
          .filter((same) => same.id === one)
          .map(({ asserts }: Objective) => line(asserts))
          .join('\n\n'),
      })),
    }));
}

function activity(result: AssessmentResult, at: number, ids: Ids): JsonObject {
  const { control, objective, asserts, query, document, limits } = result;
  return {
    uuid: ids.of('activity', at),
    title: line(`${label(objective)}: ${isComputed(result) ? 'query' : 'document'}`),
    description: paragraphs(
      line(asserts),
      query === null ? undefined : `What was looked at, as a number:\n\n${block(query.examined)}`,
      query === null ? undefined : `The rows that answer:\n\n${block(query.rows)}`,
      document === undefined ? undefined : `The institution attaches: ${line(document)}`,
      limits === undefined ? undefined : `Not claimed: ${line(limits)}`,
    ),
    props: [
      prop('objective', objective),
      ...(query === null ? [] : [prop('query', query.id), prop('query-sha256', query.sha256)]),
      ...result.populations.map((population) => prop('population', population)),
      ...result.parameters.map((parameter) => prop('parameter', parameter)),
    ],
    'related-controls': reviewedControls([control], [objective]),
  };
}
