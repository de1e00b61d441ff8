import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { oscalProblems } from './constraints.fixture.ts';
import { oscalFiles } from './files.ts';
import { facts } from './oscal.fixture.ts';
import type { OscalFacts } from './parts.ts';
import { uuid5 } from './uuid.ts';

/** The other files of a package that OSCAL files speak of. */
const BESIDE = [
  ['assertions.json', ''],
  ['populations/grants.ndjson', ''],
] as const;

function packed(of: OscalFacts): Map<string, string> {
  return new Map([...BESIDE, ...oscalFiles(of).map(({ path, text }) => [path, text] as const)]);
}

function parsed(of: OscalFacts, name: string): Record<string, never> {
  return Object.values(JSON.parse(packed(of).get(`oscal/${name}.json`) ?? '{}'))[0] as Record<string, never>;
}

/** All values under a name, anywhere below. */
function under(value: unknown, name: string): unknown[] {
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, one]) => [...(key === name ? [one] : []), ...under(one, name)]);
}

/** What somebody might type: among it line ends of all kinds, marks of direction, half a surrogate pair, markup. */
const hostile = fc
  .array(
    fc.constantFrom(
      ...[
        '\n',
        '\r',
        '\u2028',
        '\u0085',
        '\u0000',
        '\u202e',
        '\ufeff',
        '\ud800',
        ' ',
        '\t',
        '<script>',
        '{{ insert: param, x }}',
      ],
      ...['](javascript:alert(1))', '**', '`', '=cmd|', '"', '\\', 'é', '𝕏', 'select 1'],
    ),
    { maxLength: 8 },
  )
  .map((parts) => parts.join(''));

describe('OSCAL files', () => {
  test('name and number form a UUID of version 5 that is always the same', () => {
    assert.match(uuid5('a', 1), /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.equal(uuid5('a', 1), uuid5('a', 1));
    assert.notEqual(uuid5('a', 'b'), uuid5('ab'));
  });

  for (const id of ['ffiec', 'nist-800-53']) {
    test(`whatever was typed, uuids are there once and every reference resolves (${id})`, () => {
      fc.assert(
        fc.property(hostile, (text) => assert.deepEqual(oscalProblems(packed(facts(text, id))), [])),
        {
          numRuns: 60,
        },
      );
    });
  }

  test('whatever was typed is text: one line in titles and values, and no markup', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        for (const [path, file] of packed(facts(text))) {
          if (!path.startsWith('oscal/')) continue;
          const doc = JSON.parse(file) as unknown;
          for (const title of under(doc, 'title')) assert.match(String(title), /^[^\n\r\u2028\u2029]+$/u);
          for (const value of under(doc, 'value')) assert.match(String(value), /^\S(.*\S)?$/u);
          for (const name of ['title', 'description', 'prose', 'remarks']) {
            for (const prose of under(doc, name)) {
              const outside = String(prose).replaceAll(/^ {4}.*$/gmu, '');
              assert.doesNotMatch(outside, /(?<!\\)(\\\\)*[<{*[\]]/u);
            }
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  test('the same facts give the same bytes, and another position gives other uuids', () => {
    const one = facts('text');
    assert.deepEqual(oscalFiles(one), oscalFiles(structuredClone(one)));
    const grown = { ...one.assessment, asOf: { ...one.assessment.asOf, size: 10 } };
    const uuids = (of: OscalFacts): unknown[] => under(parsed(of, 'assessment-results'), 'observations');
    assert.notDeepEqual(uuids(one), uuids({ ...one, assessment: grown }));
  });

  test('not evaluable is observed and not found; a failure is a finding, a risk and an item', () => {
    const of = facts('text');
    const [result] = parsed(of, 'assessment-results').results as unknown as Record<string, unknown[]>[];
    assert.equal(result?.observations?.length, 4);
    assert.equal(result?.findings?.length, 2);
    assert.equal(result?.risks?.length, 1);
    const items = parsed(of, 'poam')['poam-items'] as unknown as { 'related-findings': unknown[] }[];
    assert.equal(items.length, 1);
    const failed = result?.findings?.filter((one) => JSON.stringify(one).includes('"not-satisfied"')) as {
      uuid: string;
    }[];
    assert.deepEqual(items[0]?.['related-findings'], [{ 'finding-uuid': failed[0]?.uuid }]);
  });

  test('nothing failed: there is no plan of action, which OSCAL cannot say with no item', () => {
    const { framework, assessment } = facts('text');
    const results = assessment.results.filter(({ outcome }) => outcome !== 'fail');
    const files = oscalFiles({ framework, assessment: { ...assessment, results } });
    assert.ok(!files.some(({ path }) => path === 'oscal/poam.json'));
  });

  test('of very many failing rows a hundred are named, and it is said how many more there are', () => {
    const [result] = parsed(facts('text', 'ffiec', 1000), 'assessment-results').results as unknown as {
      observations: { 'relevant-evidence': unknown[]; remarks: string }[];
    }[];
    assert.equal(result?.observations[1]?.['relevant-evidence'].length, 2 + 100);
    assert.match(result?.observations[1]?.remarks ?? '', /^900 more/);
  });

  test('the checker finds what is broken', () => {
    const files = packed(facts('text'));
    const breaks: readonly (readonly [file: string, from: string, to: string, RegExp])[] = [
      ['assessment-results', '"risk-uuid": "', '"risk-uuid": "0', /risk-uuid .* names nothing/],
      [
        'assessment-results',
        '"href": "assessment-plan.json"',
        '"href": "plan.json"',
        /no file of the package/,
      ],
      ['assessment-results', '"target-id": "ac-2_obj.a"', '"target-id": "ac-9"', /no control or objective/],
      ['assessment-plan', '"href": "#', '"href": "#0', /no resource of the file/],
      ['assessment-plan', '"activity-uuid": "', '"activity-uuid": "0', /activity-uuid .* names nothing/],
      ['poam', '"finding-uuid": "', '"finding-uuid": "0', /names nothing/],
      ['mapping-collection', 'intersects-with', 'is-like', /relationship/],
    ];
    for (const [name, from, to, says] of breaks) {
      const path = `oscal/${name}.json`;
      const broken = new Map(files).set(path, (files.get(path) ?? '').replace(from, to));
      assert.match(oscalProblems(broken).join('\n'), says, `${name} ${from}`);
    }
  });
});
