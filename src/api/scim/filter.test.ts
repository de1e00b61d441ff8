import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ScimError } from './errors.ts';
import { meets, parseFilter } from './filter.ts';

const ADA = {
  userName: 'bjensen@example.com',
  externalId: '701984',
  active: true,
  name: { familyName: "O'Malley" },
  emails: [
    { value: 'a@example.com', type: 'home' },
    { value: 'b@example.com', type: 'work', primary: true },
  ],
};

test('filters that directories send pick whom they mean', () => {
  const cases: [filter: string, picks: boolean][] = [
    ['userName eq "bjensen@example.com"', true],
    ['userName Eq "BJensen@Example.com"', true],
    ['USERNAME eq "other"', false],
    ['urn:ietf:params:scim:schemas:core:2.0:User:userName eq "bjensen@example.com"', true],
    ['name.familyName eq "O\'Malley"', true],
    ['active eq true', true],
    ['active eq false', false],
    ['active eq "true"', false],
    ['externalId eq "701984" and active eq true', true],
    ['externalId eq "701984" AND active eq false', false],
    ['emails[type eq "work" and value eq "b@example.com"]', true],
    ['emails[type eq "home" and value eq "b@example.com"]', false],
    ['emails[type eq "work"] and userName eq "bjensen@example.com"', true],
    ['emails.value eq "a@example.com"', true],
    ['emails eq "a@example.com"', true],
    ['nothing eq "x"', false],
    ['userName eq "a\\"b"', false],
  ];
  for (const [filter, picks] of cases) assert.equal(meets(ADA, parseFilter(filter)), picks, filter);
});

test('every other filter is refused as such', () => {
  for (const filter of [
    '',
    ' ',
    'userName',
    'userName eq',
    'userName co "x"',
    'userName pr',
    'not (userName eq "x")',
    'userName eq "x" or userName eq "y"',
    'userName eq "x" and',
    'and eq "x"',
    'emails[type eq "work"',
    'emails[a[b[c eq 1]]]',
    'userName eq "x" userName eq "y"',
    'userName eq "\\q"',
    `userName eq "${'x'.repeat(3000)}"`,
    Array(30).fill('a eq 1').join(' and '),
  ]) {
    assert.throws(
      () => parseFilter(filter),
      (error: ScimError) => error.scimType === 'invalidFilter',
      filter,
    );
  }
});

test('no text makes the parser do anything but answer or refuse, and quickly', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string({ maxLength: 300 }), fc.stringMatching(/^[a"\\[\] eq.:()]{0,200}$/)),
      (text) => {
        try {
          meets(ADA, parseFilter(text));
        } catch (error) {
          assert.ok(error instanceof ScimError);
        }
      },
    ),
    { numRuns: 500 },
  );
});
