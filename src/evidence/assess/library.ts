/** The frameworks, queries and parameters that come with Postern: data files, read once. */
import { readdirSync, readFileSync } from 'node:fs';
import Type from 'typebox';
import { PosternError } from '../../core/errors.ts';
import { readDocument } from '../../core/yaml.ts';
import { type Library, ParameterShape, readFramework } from './framework-file.ts';
import { readQueryFile } from './query-text.ts';
import type { Framework, ParameterSpec, Query } from './types.ts';

const FOLDER = new URL('../frameworks/', import.meta.url);
const ParametersShape = Type.Object(
  { parameters: Type.Array(ParameterShape, { maxItems: 500 }) },
  { additionalProperties: false },
);

let library: Library | null = null;
const frameworks = new Map<string, Framework>();

/** What every framework may use. @throws PosternError POSTERN_INVALID where a data file is broken */
export function builtInLibrary(): Library {
  library ??= { queries: readQueries(), parameters: readParameters() };
  return library;
}

/** Ids of the frameworks that come with Postern, sorted. */
export function frameworkIds(): readonly string[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith('.yaml') && name !== 'parameters.yaml')
    .map((name) => name.slice(0, -'.yaml'.length))
    .sort();
}

/** @throws PosternError POSTERN_NOT_FOUND */
export function builtInFramework(id: string): Framework {
  const known = frameworks.get(id);
  if (known !== undefined) return known;
  if (!frameworkIds().includes(id)) {
    throw new PosternError(
      'POSTERN_NOT_FOUND',
      `There is no framework ${JSON.stringify(id.slice(0, 64))}.`,
      `There are ${frameworkIds().join(', ')}; another can be given as a file.`,
    );
  }
  const file = `${id}.yaml`;
  const framework = readFramework(readFileSync(new URL(file, FOLDER), 'utf8'), file, builtInLibrary());
  if (framework.id !== id) throw new PosternError('POSTERN_INVALID', `${file} calls itself ${framework.id}.`);
  frameworks.set(id, framework);
  return framework;
}

function readQueries(): ReadonlyMap<string, Query> {
  const folder = new URL('queries/', FOLDER);
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .sort();
  return new Map(
    files.map((name) => {
      const id = name.slice(0, -'.sql'.length);
      return [id, readQueryFile(id, readFileSync(new URL(name, folder), 'utf8'))];
    }),
  );
}

function readParameters(): ReadonlyMap<string, ParameterSpec> {
  const file = 'parameters.yaml';
  const text = readFileSync(new URL(file, FOLDER), 'utf8');
  const { parameters } = readDocument(text, ParametersShape, file).value;
  return new Map(parameters.map((spec) => [spec.id, { ...spec, odp: spec.odp ?? [] }]));
}
