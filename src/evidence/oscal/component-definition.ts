import type { Control, Objective } from '../assess/types.ts';
import { frameworkSource } from './catalog.ts';
import { catalogHref, Ids, type JsonObject, label, metadata, type OscalFacts, prop, some } from './parts.ts';
import { line, paragraphs } from './text.ts';

/**
 * What Postern itself claims of each control: which of its objectives the records speak of, and which it leaves to the
 * institution.
 *
 * @see https://pages.nist.gov/OSCAL-Reference/models/v1.2.1/component-definition/json-outline/
 */
export function componentDefinition(facts: OscalFacts): JsonObject {
  const { framework } = facts;
  const ids = new Ids(facts);
  return {
    'component-definition': {
      uuid: ids.of('component-definition'),
      metadata: metadata(`Postern and ${framework.title}`, facts),
      components: [
        {
          uuid: ids.of('component'),
          type: 'software',
          title: 'Postern',
          description:
            'A gateway between machine identities and the resources they work on. Each connection is of one named principal, each command runs inside a grant with an authority and an end, and each is recorded before it runs in a log that anyone can verify.',
          purpose: 'Access of machine identities, and the evidence of it',
          'control-implementations': [
            {
              uuid: ids.of('control-implementation'),
              source: catalogHref(framework),
              description: line(
                `What Postern does towards ${framework.title}, and what its records show. What only the institution can supply is named with each control.`,
              ),
              'implemented-requirements': framework.controls.map((control) => requirement(control, ids)),
            },
          ],
        },
      ],
      'back-matter': { resources: [frameworkSource(framework, ids.of('component-definition', 'source'))] },
    },
  };
}

function requirement({ id, title, objectives }: Control, ids: Ids): JsonObject {
  const shown = objectives.filter(({ kind }) => kind !== 'organizational');
  const left = objectives.filter(({ kind }) => kind === 'organizational');
  return {
    uuid: ids.of('requirement', id),
    'control-id': id,
    description: paragraphs(
      line(`${label(id)} ${title}.`),
      shown.length === 0
        ? 'The records of Postern say nothing of this control.'
        : `Shown by the records: ${shown.map(words).join(' ')}`,
      left.length === 0 ? undefined : `Left to the institution: ${left.map(words).join(' ')}`,
    ),
    ...some('props', [...named('objective-shown', shown), ...named('objective-left', left)]),
  };
}

function named(name: string, objectives: readonly Objective[]): readonly JsonObject[] {
  return [...new Set(objectives.map(({ id }) => id))].map((id) => prop(name, id));
}

function words({ id, asserts, limits, document }: Objective): string {
  const more = [
    limits === undefined ? '' : ` Not claimed: ${limits}`,
    document === undefined ? '' : ` To be attached: ${document}`,
  ];
  return line(`(${label(id)}) ${asserts}${more.join('')}`);
}
