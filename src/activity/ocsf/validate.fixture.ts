/** Holds events against the data file of what the schema requires. An attribute that the file does not name is a problem too. */
import schema from './ocsf-1.8.0.json' with { type: 'json' };

interface Shape {
  readonly required?: Readonly<Record<string, string>>;
  readonly optional?: Readonly<Record<string, string>>;
  readonly at_least_one?: readonly string[];
  readonly enums?: Readonly<Record<string, readonly number[]>>;
}

type Value = Readonly<Record<string, unknown>>;
const OBJECTS: Readonly<Record<string, Shape>> = schema.objects;
const CLASSES: Readonly<Record<string, Shape & { readonly activities: readonly number[] }>> = schema.classes;

/** What is wrong with an event; empty where nothing is. */
export function problemsOf(event: unknown): readonly string[] {
  const value = event as Value;
  const of = CLASSES[String(value.class_uid)];
  if (of === undefined) return [`class_uid ${String(value.class_uid)} is none that is written`];
  const shape: Shape = {
    ...of,
    required: { ...schema.base.required, ...of.required },
    optional: { ...schema.base.optional, ...of.optional },
    enums: { ...schema.base.enums, activity_id: of.activities },
  };
  const problems = held(value, shape, 'event');
  const [activity, uid] = [Number(value.activity_id), Number(value.class_uid)];
  if (value.type_uid !== uid * 100 + activity)
    problems.push('type_uid does not follow from class and activity');
  if (value.category_uid !== Math.floor(uid / 1000)) problems.push('category_uid is not that of the class');
  if (activity === 99 && !value.activity_name) problems.push('another activity has no name');
  const { version } = (value.metadata ?? {}) as Value;
  if (version !== schema.version) problems.push(`the version is ${String(version)}`);
  return problems;
}

function held(value: Value, shape: Shape, path: string): string[] {
  const problems: string[] = [];
  const known = { ...shape.optional, ...shape.required };
  for (const name of Object.keys(shape.required ?? {})) {
    if (value[name] === undefined || value[name] === null) problems.push(`${path}.${name} is missing`);
  }
  for (const [name, inner] of Object.entries(value)) {
    const type = known[name];
    if (type === undefined) problems.push(`${path}.${name} is unknown`);
    else problems.push(...typed(inner, type, `${path}.${name}`));
    const values = shape.enums?.[name];
    if (values !== undefined && !values.includes(inner as number))
      problems.push(`${path}.${name} is ${String(inner)}`);
  }
  const some = shape.at_least_one;
  if (some?.every((name) => value[name] === undefined))
    problems.push(`${path} has none of ${some.join(', ')}`);
  return problems;
}

function typed(value: unknown, type: string, path: string): string[] {
  if (type.endsWith('[]')) {
    if (!Array.isArray(value)) return [`${path} is no list`];
    return value.flatMap((inner: unknown, i) => typed(inner, type.slice(0, -2), `${path}[${i}]`));
  }
  if (type === 'integer') return Number.isSafeInteger(value) ? [] : [`${path} is no integer`];
  if (type === 'object') return typeof value === 'object' && value !== null ? [] : [`${path} is no object`];
  const shape = OBJECTS[type];
  if (shape === undefined) return typeof value === type ? [] : [`${path} is no ${type}`];
  if (typeof value !== 'object' || value === null) return [`${path} is no object`];
  return held(value as Value, shape, path);
}
