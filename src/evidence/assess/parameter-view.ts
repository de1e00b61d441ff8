import { builtInFramework, builtInLibrary, frameworkIds } from './library.ts';
import { readParameterFile } from './parameter-file.ts';
import type { ParameterSpec, ParameterValue } from './types.ts';

/** A parameter with what it is asked for by, and what it is set to. */
export interface ParameterShown extends ParameterSpec {
  /** `nist-800-53 ac-2.3` */
  readonly controls: readonly string[];
  readonly value: ParameterValue | null;
}

/**
 * Every parameter that a framework of Postern leaves to the institution, and those that the text sets besides.
 *
 * @param text as the institution set it; null: nothing is set
 */
export function parametersShown(text: string | null): readonly ParameterShown[] {
  const values =
    text === null ? new Map<string, ParameterValue>() : readParameterFile(text, 'parameters.yaml', null);
  const { parameters } = builtInLibrary();
  const users = usersOf();
  const known = [...parameters.values()].map((spec) => ({
    ...spec,
    controls: users.get(spec.id) ?? [],
    value: values.get(spec.id) ?? null,
  }));
  const own = [...values]
    .filter(([id]) => !parameters.has(id))
    .map(([id, value]): ParameterShown => {
      const type = typeof value === 'number' ? 'count' : typeof value === 'string' ? 'text' : 'list';
      return { id, label: 'of a framework of your own', type, odp: [], controls: [], value };
    });
  return [...known, ...own];
}

function usersOf(): ReadonlyMap<string, readonly string[]> {
  const users = new Map<string, string[]>();
  for (const framework of frameworkIds()) {
    for (const { id, objectives } of builtInFramework(framework).controls) {
      for (const parameter of new Set(objectives.flatMap(({ query }) => query?.parameters ?? []))) {
        const known = users.get(parameter);
        if (known === undefined) users.set(parameter, [`${framework} ${id}`]);
        else known.push(`${framework} ${id}`);
      }
    }
  }
  return users;
}
