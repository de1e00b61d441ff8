/**
 * What Metaschema says of OSCAL beyond its JSON schema, as far as the files of a package use it: names are there once,
 * and what refers to something finds it.
 *
 * @see https://pages.nist.gov/OSCAL-Reference/models/v1.2.1/
 */
import { posix } from 'node:path';

type Value = string | number | boolean | null | readonly Value[] | { readonly [key: string]: Value };
type Doc = { readonly [key: string]: Value };

/** Members whose value is the uuid of a thing in an array of one of these names, in the same file. */
const REFERENCES: Readonly<Record<string, readonly string[]>> = {
  'observation-uuid': ['observations'],
  'risk-uuid': ['risks'],
  'finding-uuid': ['findings'],
  'component-uuid': ['components'],
  'actor-uuid': ['components'],
  'subject-uuid': ['components'],
  'activity-uuid': ['activities'],
};
/** Names of properties in OSCAL's own namespace. */
const OWN_PROPS = new Set(['label', 'sort-id', 'status', 'type', 'marking']);
const RESOURCE_TYPES = new Set(['law', 'regulation', 'standard', 'policy', 'plan', 'artifact', 'evidence']);
const PART_NAMES = new Set([
  ...['overview', 'statement', 'guidance', 'item', 'example'],
  ...['assessment-objective', 'assessment-method'],
]);
const RELATIONSHIPS = new Set([
  ...['equivalent-to', 'equal-to', 'subset-of', 'superset-of', 'intersects-with', 'no-relationship'],
]);
const COMPONENTS = new Set(['this-system', 'system', 'interconnection', 'software', 'service', 'policy']);
/** Of objectives and controls in the catalogue of SP 800-53. */
const NIST_ID = /^[a-z]{2}-\d{1,2}(\.\d{1,2})?(_obj(\.[a-z0-9-]+)*)?$/;

/** @param files all files of a package by path; those of OSCAL are read, of the others only that they are there */
export function oscalProblems(files: ReadonlyMap<string, string>): readonly string[] {
  const docs = new Map(
    [...files]
      .filter(([path]) => path.startsWith('oscal/'))
      .map(([path, text]) => [path, JSON.parse(text) as Doc]),
  );
  const catalogue = docs.get('oscal/catalog.json');
  const known = catalogue === undefined ? null : new Set(strings(catalogue, 'id'));
  const problems: string[] = [];
  for (const [path, doc] of docs) {
    const say = (text: string): void => void problems.push(`${path}: ${text}`);
    uniqueness(doc, say);
    references(doc, say);
    links(path, doc, new Set(files.keys()), say);
    names(doc, say);
    for (const id of ['control-id', 'objective-id', 'target-id'].flatMap((key) => strings(doc, key))) {
      if (known === null ? !NIST_ID.test(id) : !known.has(id)) say(`no control or objective ${id}`);
    }
  }
  return [...problems, ...agreement(docs)];
}

function uniqueness(doc: Doc, say: (text: string) => void): void {
  for (const id of repeated(strings(doc, 'uuid'))) say(`uuid ${id} is there twice`);
  const controls = objects(doc).filter(
    ({ key }) => key === 'controls' || key === 'groups' || key === 'parts',
  );
  if (doc.catalog !== undefined) {
    for (const id of repeated(controls.map(({ value }) => String(value.id)))) say(`id ${id} is there twice`);
  }
}

function references(doc: Doc, say: (text: string) => void): void {
  const at = new Map<string, Set<Value>>();
  for (const { key, value } of objects(doc)) {
    if (!at.has(key)) at.set(key, new Set());
    if (value.uuid !== undefined) at.get(key)?.add(value.uuid);
  }
  for (const [member, places] of Object.entries(REFERENCES)) {
    for (const id of strings(doc, member)) {
      if (!places.some((place) => at.get(place)?.has(id))) say(`${member} ${id} names nothing`);
    }
  }
}

function links(path: string, doc: Doc, files: ReadonlySet<string>, say: (text: string) => void): void {
  const resources = new Set(
    objects(doc)
      .filter(({ key }) => key === 'resources')
      .map(({ value }) => value.uuid),
  );
  for (const href of [...strings(doc, 'href'), ...strings(doc, 'source')]) {
    if (href.startsWith('#')) {
      if (!resources.has(href.slice(1))) say(`${href} is no resource of the file`);
    } else if (!/^[a-z][a-z0-9+.-]*:/i.test(href)) {
      const to = posix.normalize(posix.join(posix.dirname(path), href));
      if (!files.has(to)) say(`${href} is no file of the package`);
    }
  }
}

function names(doc: Doc, say: (text: string) => void): void {
  for (const { key, value } of objects(doc)) {
    const name = String(value.name);
    if (key === 'props' && value.ns === undefined && !OWN_PROPS.has(name)) say(`property ${name} of OSCAL`);
    if (key === 'parts' && !PART_NAMES.has(name)) say(`part ${name}`);
    if (key === 'maps' && !RELATIONSHIPS.has(String(value.relationship)))
      say(`relationship of ${value.uuid}`);
    if (key === 'components' && !COMPONENTS.has(String(value.type))) say(`component ${value.type}`);
    if (key === 'resources') {
      const types = objects({ props: value.props ?? [] }).filter(({ value: one }) => one.name === 'type');
      for (const { value: type } of types) {
        if (!RESOURCE_TYPES.has(String(type.value))) say(`resource ${type.value}`);
      }
      if (value.title === undefined) say(`resource ${value.uuid} has no title`);
    }
    if (typeof value.start === 'string' && typeof value.end === 'string' && value.end < value.start) {
      say(`ends at ${value.end}, before it starts`);
    }
  }
}

/** What the files say together: results are of what was planned, findings of what was reviewed, items of what failed. */
function agreement(docs: ReadonlyMap<string, Doc>): readonly string[] {
  const [plan, results, poam] = ['assessment-plan', 'assessment-results', 'poam'].map((name) =>
    docs.get(`oscal/${name}.json`),
  );
  const planned = new Set(strings(plan ?? {}, 'objective-id'));
  const reviewed = new Set(strings(results ?? {}, 'objective-id'));
  const found = new Set(strings(results ?? {}, 'uuid'));
  const failed = objects(results ?? {}).filter(
    ({ key, value }) => key === 'findings' && JSON.stringify(value.target).includes('"not-satisfied"'),
  );
  const items = objects(poam ?? {}).filter(({ key }) => key === 'poam-items');
  return [
    ...[...reviewed].filter((id) => !planned.has(id)).map((id) => `objective ${id} was not planned`),
    ...strings(results ?? {}, 'target-id')
      .filter((id) => !reviewed.has(id))
      .map((id) => `finding of ${id}, which was not reviewed`),
    ...(failed.length === items.length ? [] : [`${failed.length} findings failed, ${items.length} items`]),
    ...[...strings(poam ?? {}, 'finding-uuid'), ...strings(poam ?? {}, 'risk-uuid')]
      .filter((id) => !found.has(id))
      .map((id) => `poam: ${id} is not in the results`),
  ];
}

/** All objects below, with the name under which they, or the array that holds them, are kept. */
function objects(value: Value, key = ''): readonly { readonly key: string; readonly value: Doc }[] {
  if (value === null || typeof value !== 'object') return [];
  if (Array.isArray(value)) return value.flatMap((one) => objects(one, key));
  const own = value as Doc;
  return [{ key, value: own }, ...Object.entries(own).flatMap(([name, one]) => objects(one, name))];
}

/** All texts that are kept under a name. */
function strings(value: Value, name: string): readonly string[] {
  return objects(value).flatMap(({ value: one }) => {
    const text = one[name];
    return typeof text === 'string' ? [text] : [];
  });
}

function repeated(all: readonly string[]): readonly string[] {
  return [...new Set(all.filter((one, at) => all.indexOf(one) !== at))];
}
