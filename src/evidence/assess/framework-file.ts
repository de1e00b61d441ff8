import Type, { type Static } from 'typebox';
import { PosternError } from '../../core/errors.ts';
import { type DocumentPath, readDocument } from '../../core/yaml.ts';
import { checkQuery } from './query-text.ts';
import {
  type Control,
  type Framework,
  OBJECTIVE_KINDS,
  type Objective,
  type ParameterSpec,
  QUERY_TIMES,
  type Query,
} from './types.ts';

const closed = { additionalProperties: false } as const;
const text = (max: number) => Type.String({ minLength: 1, maxLength: max });
/** A token as OSCAL has it, which is also what ids of controls look like. */
const token = Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9._-]{0,99}$' });
const oneOf = <const T extends readonly string[]>(values: T) =>
  Type.Unsafe<T[number]>({ type: 'string', enum: values });
const ids = Type.Array(text(100), { maxItems: 64 });
const names = Type.Array(Type.String({ pattern: '^[a-z][a-z0-9_-]{0,63}$' }), { maxItems: 32 });

export const PARAMETER_TYPES = ['days', 'hours', 'seconds', 'count', 'text', 'list'] as const;

export const ParameterShape = Type.Object(
  {
    id: Type.String({ pattern: '^[a-z][a-z0-9-]{0,63}$' }),
    label: text(300),
    type: oneOf(PARAMETER_TYPES),
    odp: Type.Optional(ids),
  },
  closed,
);
const QueryShape = Type.Object(
  {
    id: Type.Optional(token),
    when: oneOf(QUERY_TIMES),
    populations: names,
    parameters: Type.Optional(names),
    examined: text(16_384),
    rows: text(16_384),
  },
  closed,
);
const ObjectiveShape = Type.Object(
  {
    id: token,
    asserts: text(1000),
    kind: oneOf(OBJECTIVE_KINDS),
    query: Type.Optional(Type.Union([Type.String({ pattern: '^[a-z][a-z0-9-]{0,99}$' }), QueryShape])),
    document: Type.Optional(text(1000)),
    limits: Type.Optional(text(2000)),
  },
  closed,
);
const ControlShape = Type.Object(
  {
    id: token,
    title: text(300),
    part: Type.Optional(text(200)),
    crosswalk: Type.Optional(
      Type.Object(
        { csf20: Type.Optional(ids), cri: Type.Optional(ids), 'nist-800-53': Type.Optional(ids) },
        closed,
      ),
    ),
    objectives: Type.Array(ObjectiveShape, { minItems: 1, maxItems: 200 }),
  },
  closed,
);
const Shape = Type.Object(
  {
    id: Type.String({ pattern: '^[a-z][a-z0-9-]{0,63}$' }),
    title: text(200),
    version: text(100),
    source: Type.String({ pattern: '^https?://[^\\s]{1,500}$' }),
    parameters: Type.Optional(Type.Array(ParameterShape, { maxItems: 200 })),
    controls: Type.Array(ControlShape, { minItems: 1, maxItems: 2000 }),
  },
  closed,
);

/** What frameworks may use by its name. */
export interface Library {
  readonly queries: ReadonlyMap<string, Query>;
  readonly parameters: ReadonlyMap<string, ParameterSpec>;
}

/**
 * Reads a framework and checks all of it: that ids are there once, that queries and parameters exist.
 *
 * @param file what the messages call it
 * @throws PosternError POSTERN_INVALID with line and reason of each problem
 */
export function readFramework(source: string, file: string, library: Library): Framework {
  const { value, lineOf } = readDocument(source, Shape, file);
  const problems: string[] = [];
  const problem = (path: DocumentPath, message: string): void => {
    problems.push(`${file}:${lineOf(path)}: ${path.join('/')}: ${message}`);
  };
  const own = new Map((value.parameters ?? []).map((spec) => [spec.id, { ...spec, odp: spec.odp ?? [] }]));
  const known = new Map([...library.parameters, ...own]);
  const controlIds = new Set<string>();
  const objectiveIds = new Set<string>();
  const used = new Set<string>();
  const controls = value.controls.map((control, c): Control => {
    const path = ['controls', c] as const;
    if (controlIds.has(control.id)) problem([...path, 'id'], 'another control has this id');
    controlIds.add(control.id);
    const objectives = control.objectives.map((objective, o): Objective => {
      const at = [...path, 'objectives', o] as const;
      if (objectiveIds.has(objective.id)) problem([...at, 'id'], 'another objective has this id');
      objectiveIds.add(objective.id);
      const query = queryOf(objective, library, (message) => problem([...at, 'query'], message));
      for (const id of query?.parameters ?? []) {
        if (!known.has(id)) problem([...at, 'query'], `there is no parameter ${id}`);
        used.add(id);
      }
      const { query: _, ...rest } = objective;
      return { ...rest, ...(query !== null && { query }) };
    });
    return { ...control, objectives };
  });
  if (problems.length > 0) throw new PosternError('POSTERN_INVALID', problems.slice(0, 20).join('\n'));
  const { id, title, version, source: url } = value;
  const parameters = [...known.values()].filter((spec) => used.has(spec.id));
  return { id, title, version, source: url, parameters, controls };
}

function queryOf(
  { id, kind, query, document }: Static<typeof ObjectiveShape>,
  { queries }: Library,
  problem: (message: string) => void,
): Query | null {
  if (kind === 'organizational') {
    if (query !== undefined) problem('what only the institution can supply has no query');
    if (document === undefined) problem('it does not name the document to attach');
    return null;
  }
  if (query === undefined) {
    problem(`an ${kind} needs a query`);
    return null;
  }
  if (typeof query === 'string') {
    const found = queries.get(query);
    if (found === undefined) problem(`there is no query ${query}`);
    return found ?? null;
  }
  try {
    return checkQuery({ id, parameters: [], ...query }, 'query');
  } catch (error) {
    if (!(error instanceof PosternError)) throw error;
    problem(error.message);
    return null;
  }
}

/** A framework as a package carries it: complete, so that it can be read again without anything else. */
export function writeFramework(framework: Framework): string {
  return `${JSON.stringify(framework, null, 2)}
`;
}
