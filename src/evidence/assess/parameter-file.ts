import Type from 'typebox';
import { PosternError } from '../../core/errors.ts';
import { readDocument } from '../../core/yaml.ts';
import type { ParameterSpec, ParameterValue } from './types.ts';

const VALUE = Type.Union([
  Type.Integer({ minimum: 0, maximum: 1_000_000_000 }),
  Type.String({ minLength: 1, maxLength: 1000 }),
  Type.Array(Type.String({ minLength: 1, maxLength: 300 }), { minItems: 1, maxItems: 500 }),
]);
const values = Type.Record(Type.String({ pattern: '^[a-z][a-z0-9-]{0,63}$' }), VALUE);
const Shape = Type.Object(
  { parameters: Type.Optional(values), own: Type.Optional(values) },
  { additionalProperties: false },
);

/** The text stands twice in a change record, before and after, and a leaf has at most 65,535 bytes. */
export const LONGEST_PARAMETERS = 24_000;

/**
 * Reads the institution's values: under `parameters` those that Postern knows, under `own` those of frameworks of its own.
 *
 * @param known null: whatever is there is taken, as from a log that another version wrote
 * @throws PosternError POSTERN_INVALID with line and reason of each problem
 */
export function readParameterFile(
  text: string,
  file: string,
  known: ReadonlyMap<string, ParameterSpec> | null,
): ReadonlyMap<string, ParameterValue> {
  if (Buffer.byteLength(text) > LONGEST_PARAMETERS)
    throw new PosternError('POSTERN_INVALID', `${file}: longer than ${LONGEST_PARAMETERS} bytes`);
  const { value, lineOf } = readDocument(text, Shape, file);
  const { parameters = {}, own = {} } = value;
  const problems: string[] = [];
  for (const [id, given] of Object.entries(parameters)) {
    const spec = known?.get(id);
    const wrong =
      known === null
        ? null
        : spec === undefined
          ? 'no framework of Postern has this parameter; one of a framework of your own stands under own'
          : problemOf(spec, given);
    if (wrong !== null) problems.push(`${file}:${lineOf(['parameters', id])}: parameters/${id}: ${wrong}`);
  }
  for (const id of Object.keys(own)) {
    if (known?.has(id) || Object.hasOwn(parameters, id))
      problems.push(`${file}:${lineOf(['own', id])}: own/${id}: this one stands under parameters`);
  }
  if (problems.length > 0) throw new PosternError('POSTERN_INVALID', problems.slice(0, 20).join('\n'));
  return new Map<string, ParameterValue>([...Object.entries(parameters), ...Object.entries(own)]);
}

/** What is wrong with a value; null where nothing is. */
export function problemOf({ type, label }: ParameterSpec, value: ParameterValue): string | null {
  if (type === 'list') return Array.isArray(value) ? null : `${label}: must be a list of texts`;
  if (type === 'text') return typeof value === 'string' ? null : `${label}: must be a text`;
  return typeof value === 'number' ? null : `${label}: must be a whole number (${type})`;
}
