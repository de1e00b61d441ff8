import type { Control, Framework, Objective } from '../assess/types.ts';
import { Ids, type JsonObject, metadata, type OscalFacts, prop, some } from './parts.ts';
import { line, value } from './text.ts';

/**
 * The framework's data as a catalogue, so that the ids in the other files can be looked up. It holds Postern's own
 * words for what is asked, and no text of the framework.
 *
 * @see https://pages.nist.gov/OSCAL-Reference/models/v1.2.1/catalog/json-outline/
 */
export function catalog(facts: OscalFacts): JsonObject {
  const { framework } = facts;
  const ids = new Ids(facts);
  const source = ids.of('catalog', 'source');
  const parts = [...new Set(framework.controls.map(({ part }) => part))];
  const inPart = (part: string | undefined): readonly JsonObject[] =>
    framework.controls.filter((one) => one.part === part).map(control);
  return {
    catalog: {
      uuid: ids.of('catalog'),
      metadata: metadata(`${framework.title}: what Postern looks at`, facts),
      ...some('controls', inPart(undefined)),
      ...some(
        'groups',
        parts
          .filter((part) => part !== undefined)
          .map((part, at) => ({ id: `part-${at + 1}`, title: line(part), controls: inPart(part) })),
      ),
      'back-matter': { resources: [frameworkSource(framework, source)] },
    },
  };
}

/** The text of the framework itself, elsewhere. */
export function frameworkSource(framework: Framework, uuid: string): JsonObject {
  return {
    uuid,
    title: line(`${framework.title}, ${framework.version}`),
    rlinks: [{ href: framework.source }],
  };
}

function control({ id, title, objectives }: Control): JsonObject {
  return {
    id,
    title: line(title),
    props: [{ name: 'label', value: value(id.toUpperCase()) }],
    ...some('parts', distinct(objectives).map(objectivePart)),
  };
}

/** One for each id: an objective may be looked at by several queries. */
function distinct(objectives: readonly Objective[]): readonly (readonly Objective[])[] {
  return [...new Set(objectives.map(({ id }) => id))].map((id) => objectives.filter((one) => one.id === id));
}

function objectivePart(same: readonly Objective[]): JsonObject {
  return {
    id: same[0]?.id ?? '',
    name: 'assessment-objective',
    props: [...new Set(same.map(({ kind }) => kind))].map((kind) => prop('kind', kind)),
    prose: same.map(({ asserts }) => line(asserts)).join('\n\n'),
  };
}
