import { tell } from './findings.ts';
import {
  gatewayComponent,
  Ids,
  type JsonObject,
  label,
  metadata,
  type OscalFacts,
  origins,
  prop,
  toolAssets,
} from './parts.ts';
import { line } from './text.ts';

/**
 * What failed, each with an item for the institution to plan. Null where nothing did: OSCAL has no plan without items.
 *
 * @see https://pages.nist.gov/OSCAL-Reference/models/v1.2.1/plan-of-action-and-milestones/json-outline/
 */
export function planOfAction(facts: OscalFacts): JsonObject | null {
  const { framework, assessment } = facts;
  const ids = new Ids(facts);
  const failed = tell(facts).filter(({ result }) => result.outcome === 'fail');
  if (failed.length === 0) return null;
  return {
    'plan-of-action-and-milestones': {
      uuid: ids.of('poam'),
      metadata: metadata(`Plan of action: ${framework.title}, ${assessment.period.name}`, facts),
      'system-id': { 'identifier-type': 'http://ietf.org/rfc/rfc4122', id: ids.gateway },
      'local-definitions': {
        components: [gatewayComponent(facts, ids)],
        'assessment-assets': toolAssets(ids),
      },
      observations: failed.map(({ observation }) => observation),
      risks: failed.map(({ risk }) => risk),
      findings: failed.map(({ finding }) => finding),
      'poam-items': failed.map(({ result, observation, finding, risk }) => ({
        uuid: ids.of('poam-item', String(observation.uuid)),
        title: line(`${label(result.objective)}: ${result.asserts}`),
        description: `${result.failingCount} of ${result.examined ?? 0} fail. Who mends it and by when is for the institution to say.`,
        props: [prop('control', result.control), prop('objective', result.objective)],
        origins: origins(ids),
        'related-findings': [{ 'finding-uuid': finding?.uuid ?? '' }],
        'related-observations': [{ 'observation-uuid': observation.uuid ?? '' }],
        'related-risks': [{ 'risk-uuid': risk?.uuid ?? '' }],
      })),
    },
  };
}
