/**
 * PATCH of SCIM, on a resource as JSON. Pure. What Postern does not keep of a resource may be set and is dropped later;
 * what is the server's own may not.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7644#section-3.5.2
 */
import { ScimError } from './errors.ts';
import { attributePath, type Condition, keyOf, meets, parseFilter } from './filter.ts';

type Json = Record<string, unknown>;

interface Target {
  readonly name: string;
  readonly filter: readonly Condition[] | null;
  readonly sub: string | null;
}

const SCHEMA = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';
const MOST = 200;
const OURS: ReadonlySet<string> = new Set(['id', 'meta', 'groups']);
const BAD: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);
const PATH = /^((?:urn:[\w.:-]+:)?[A-Za-z$][\w$-]*)(?:\[(.*)\])?(?:\.([A-Za-z$][\w$-]*))?$/s;

/**
 * The resource after the operations.
 *
 * @throws ScimError invalidSyntax, invalidPath, noTarget, mutability
 */
export function patched(resource: Json, body: unknown): Json {
  const { schemas, Operations: operations } = (body ?? {}) as { schemas?: unknown; Operations?: unknown };
  if (!Array.isArray(schemas) || !schemas.includes(SCHEMA) || !Array.isArray(operations)) {
    throw new ScimError(400, 'The body is no PatchOp.', 'invalidSyntax');
  }
  if (operations.length === 0 || operations.length > MOST) {
    throw new ScimError(400, `A PatchOp has 1 to ${MOST} operations.`, 'invalidSyntax');
  }
  const result = structuredClone(resource);
  for (const operation of operations) apply(result, operation);
  return result;
}

function apply(resource: Json, operation: unknown): void {
  const { op, path, value } = (operation ?? {}) as { op?: unknown; path?: unknown; value?: unknown };
  // Some directories write "Add".
  const verb = typeof op === 'string' ? op.toLowerCase() : '';
  if (!['add', 'replace', 'remove'].includes(verb)) {
    throw new ScimError(400, 'An operation is add, replace or remove.', 'invalidSyntax');
  }
  if (path === undefined) {
    if (verb === 'remove') throw new ScimError(400, 'remove needs a path.', 'noTarget');
    if (!isObject(value)) throw new ScimError(400, 'Without a path the value is an object.', 'invalidValue');
    for (const [name, one] of Object.entries(value)) {
      // `{"name.familyName": "x"}` is what some directories send; `{"urn:...:User": {...}}` is the extension as a whole.
      if (/^urn:/i.test(name) && isObject(one)) continue;
      // What is the server's own may be repeated.
      if (OURS.has(name) && JSON.stringify(one) === JSON.stringify(resource[name])) continue;
      set(resource, targetOf(name), one, verb);
    }
    return;
  }
  if (typeof path !== 'string' || path.length > 1000) throw invalidPath();
  const target = targetOf(path);
  if (verb === 'remove') remove(resource, target, value);
  else set(resource, target, value, verb);
}

function targetOf(path: string): Target {
  const match = PATH.exec(path);
  if (match === null) throw invalidPath();
  const [, attribute = '', filter, sub] = match;
  const [name = '', inner] = attributePath(attribute);
  const part = sub ?? inner ?? '';
  if (BAD.has(name) || BAD.has(part.toLowerCase())) throw invalidPath();
  if (OURS.has(name)) throw new ScimError(400, `${name} is not to be changed.`, 'mutability');
  return { name, filter: filter === undefined ? null : parseFilter(filter), sub: sub ?? inner ?? null };
}

function set(resource: Json, target: Target, value: unknown, verb: string): void {
  const { name, filter, sub } = target;
  if (name === 'schemas') return;
  const key = keyOf(resource, name) ?? name;
  const before = resource[key];
  if (filter !== null) {
    setWithin(resource, key, target, value, verb);
    return;
  }
  if (sub !== null) {
    if (Array.isArray(before)) for (const one of before) put(one, sub, value);
    else resource[key] = { ...(isObject(before) ? before : {}), [subKey(before, sub)]: value };
    return;
  }
  const joins = verb === 'add' && (Array.isArray(before) || Array.isArray(value));
  if (joins) resource[key] = union(asList(before), asList(value));
  else if (isObject(before) && isObject(value)) resource[key] = { ...before, ...value };
  else resource[key] = value;
}

/** Sets in the elements that the filter picks; where it picks none, makes the one that it describes. */
function setWithin(resource: Json, key: string, { filter, sub }: Target, value: unknown, verb: string): void {
  const list = asList(resource[key]);
  const picked = list.filter((one) => meets(one, filter ?? []));
  if (picked.length === 0) {
    if (verb === 'replace' && sub === null) throw new ScimError(400, 'Nothing fits the path.', 'noTarget');
    const made = described(filter ?? []);
    resource[key] = [
      ...list,
      sub === null && isObject(value) ? { ...made, ...value } : { ...made, [sub ?? 'value']: value },
    ];
    return;
  }
  for (const one of picked) {
    if (sub !== null) put(one, sub, value);
    else if (isObject(one) && isObject(value)) Object.assign(one, value);
  }
  resource[key] = list;
}

function remove(resource: Json, { name, filter, sub }: Target, value: unknown): void {
  const key = keyOf(resource, name);
  if (key === undefined) return;
  const before = resource[key];
  if (filter !== null) {
    const list = asList(before);
    if (sub === null) resource[key] = list.filter((one) => !meets(one, filter));
    else for (const one of list.filter((each) => meets(each, filter))) drop(one, sub);
  } else if (sub !== null) {
    for (const one of asList(before)) drop(one, sub);
  } else if (Array.isArray(before) && value !== undefined) {
    // Which members to take out, in the value: not in the standard, but what a large directory sends.
    const gone = new Set(asList(value).map(identity));
    resource[key] = before.filter((one) => !gone.has(identity(one)));
  } else {
    delete resource[key];
  }
}

/** `[type eq "work"]` describes `{type: "work"}`. */
const described = (filter: readonly Condition[]): Json =>
  Object.fromEntries(
    filter.flatMap(({ path: [name], value }) => (name === undefined ? [] : [[name, value]])),
  );

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const asList = (value: unknown): unknown[] =>
  Array.isArray(value) ? value : value === undefined || value === null ? [] : [value];
const subKey = (value: unknown, sub: string): string =>
  (isObject(value) ? keyOf(value, sub) : undefined) ?? sub;
const identity = (one: unknown): string => JSON.stringify(isObject(one) && 'value' in one ? one.value : one);

function union(before: readonly unknown[], more: readonly unknown[]): unknown[] {
  const known = new Set(before.map(identity));
  return [...before, ...more.filter((one) => !known.has(identity(one)))];
}

function put(one: unknown, sub: string, value: unknown): void {
  if (isObject(one)) one[subKey(one, sub)] = value;
}

function drop(one: unknown, sub: string): void {
  if (isObject(one)) delete one[subKey(one, sub)];
}

const invalidPath = (): ScimError => new ScimError(400, 'The path is not understood.', 'invalidPath');
