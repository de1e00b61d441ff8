/**
 * An assessment in OSCAL (docs/oscal.md): pure functions of the framework and its assessment, so that the same records
 * give the same bytes.
 */
import { assessmentPlan } from './assessment-plan.ts';
import { assessmentResults } from './assessment-results.ts';
import { catalog } from './catalog.ts';
import { componentDefinition } from './component-definition.ts';
import { mappingCollection } from './mapping.ts';
import { isPublished, type JsonObject, type OscalFacts } from './parts.ts';
import { planOfAction } from './poam.ts';

export interface OscalFile {
  /** Within the package. */
  readonly path: string;
  readonly text: string;
}

/** The files of `oscal/` in a package. */
export function oscalFiles(facts: OscalFacts): readonly OscalFile[] {
  const files: readonly (readonly [name: string, JsonObject | null])[] = [
    ['catalog', isPublished(facts.framework) ? null : catalog(facts)],
    ['component-definition', componentDefinition(facts)],
    ['assessment-plan', assessmentPlan(facts)],
    ['assessment-results', assessmentResults(facts)],
    ['poam', planOfAction(facts)],
    ['mapping-collection', mappingCollection(facts)],
  ];
  return files
    .filter(([, content]) => content !== null)
    .map(([name, content]) => ({
      path: `oscal/${name}.json`,
      text: `${JSON.stringify(content, null, 2)}\n`,
    }));
}
