import type { Control, Crosswalk } from '../assess/types.ts';
import { catalogHref, Ids, type JsonObject, metadata, NIST_800_53, type OscalFacts } from './parts.ts';
import { value } from './text.ts';

interface Target {
  readonly key: keyof Crosswalk;
  readonly title: string;
  readonly href: string;
}

/** Where the ids of the other sides are looked up. */
const TARGETS: readonly Target[] = [
  { key: NIST_800_53, title: 'NIST SP 800-53 Revision 5', href: catalogHref({ id: NIST_800_53 }) },
  { key: 'csf20', title: 'NIST Cybersecurity Framework 2.0', href: 'https://doi.org/10.6028/NIST.CSWP.29' },
  { key: 'cri', title: 'CRI Profile', href: 'https://cyberriskinstitute.org/the-profile/' },
];

/**
 * Where else the same is asked for. Null where the framework names nothing. Each pair says that the two overlap, and
 * no more.
 *
 * @see https://pages.nist.gov/OSCAL-Reference/models/v1.2.1/mapping/json-outline/
 */
export function mappingCollection(facts: OscalFacts): JsonObject | null {
  const { framework } = facts;
  const ids = new Ids(facts);
  const used = TARGETS.filter(({ key }) => framework.controls.some((one) => named(one, key).length > 0));
  if (used.length === 0) return null;
  return {
    'mapping-collection': {
      uuid: ids.of('mapping-collection'),
      metadata: metadata(`${framework.title}: crosswalk`, facts),
      provenance: {
        method: 'human',
        'matching-rationale': 'semantic',
        status: 'not-complete',
        'mapping-description':
          'Where the same records answer what another framework asks. It is a help for reading, and no official mapping.',
      },
      mappings: used.map((target) => ({
        uuid: ids.of('mapping', target.key),
        'source-resource': { type: 'catalog', href: catalogHref(framework) },
        'target-resource': { type: 'catalog', href: `#${ids.of('mapping-target', target.key)}` },
        maps: framework.controls
          .filter((one) => named(one, target.key).length > 0)
          .map((one) => ({
            uuid: ids.of('map', target.key, one.id),
            relationship: 'intersects-with',
            sources: [{ type: 'control', 'id-ref': value(one.id) }],
            targets: named(one, target.key).map((id) => ({ type: 'control', 'id-ref': value(id) })),
          })),
      })),
      'back-matter': {
        resources: used.map(({ key, title, href }) => ({
          uuid: ids.of('mapping-target', key),
          title,
          rlinks: [{ href }],
        })),
      },
    },
  };
}

function named({ crosswalk }: Control, key: keyof Crosswalk): readonly string[] {
  return crosswalk?.[key] ?? [];
}
