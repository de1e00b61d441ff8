import { frameworkSource } from './catalog.ts';
import { tell } from './findings.ts';
import {
  asOfTime,
  gatewayComponent,
  Ids,
  isComputed,
  type JsonObject,
  label,
  metadata,
  type OscalFacts,
  positionProps,
  prop,
  reviewedControls,
  some,
  toolAssets,
} from './parts.ts';
import { line } from './text.ts';

/**
 * What the queries came to, with the records they rest on.
 *
 * @see https://pages.nist.gov/OSCAL-Reference/models/v1.2.1/assessment-results/json-outline/
 */
export function assessmentResults(facts: OscalFacts): JsonObject {
  const { framework, assessment } = facts;
  const ids = new Ids(facts);
  const { period, results, counts } = assessment;
  const told = tell(facts);
  const computed = results.filter(isComputed);
  const left = results.filter((result) => !isComputed(result));
  const collected = asOfTime(assessment);
  return {
    'assessment-results': {
      uuid: ids.of('results'),
      metadata: metadata(`Results: ${framework.title}, ${period.name}`, facts),
      'import-ap': { href: 'assessment-plan.json' },
      results: [
        {
          uuid: ids.of('result'),
          title: line(`${framework.title}, ${period.name}`),
          description: line(
            `Evidence of operation from ${period.since} to ${period.until}: ${counts.pass} objectives passed, ${counts.fail} failed, ${counts.not_evaluable} were not evaluable, ${counts.reported} are lists without a verdict, ${counts.organizational} are for the institution to show.`,
          ),
          start: period.since,
          ...(collected > period.since ? { end: [collected, period.until].toSorted()[0] ?? '' } : {}),
          props: [
            ...positionProps(assessment),
            ...Object.entries(counts).map(([outcome, count]) => prop(`count-${outcome}`, count)),
          ],
          'local-definitions': {
            components: [gatewayComponent(facts, ids)],
            'assessment-assets': toolAssets(ids),
          },
          'reviewed-controls': {
            ...reviewedControls(
              (computed.length === 0 ? results : computed).map(({ control }) => control),
              computed.map(({ objective }) => objective),
            ),
            ...(left.length === 0
              ? {}
              : {
                  remarks: line(
                    `For the institution to show, and not computed: ${left.map(({ objective }) => label(objective)).join(', ')}.`,
                  ),
                }),
          },
          ...some(
            'observations',
            told.map(({ observation }) => observation),
          ),
          ...some(
            'risks',
            told.map(({ risk }) => risk).filter((risk) => risk !== null),
          ),
          ...some(
            'findings',
            told.map(({ finding }) => finding).filter((finding) => finding !== null),
          ),
        },
      ],
      'back-matter': { resources: [frameworkSource(framework, ids.of('results', 'source'))] },
    },
  };
}
