import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Story } from '../activity/story.fixture.ts';
import { RecordReader } from './record-reader.ts';

/** Entries as the sequencer writes them. */
function entriesOfStory(): string[] {
  const story = new Story().people().resource();
  const batch = story.principal('batch');
  const grant = story.grant(batch);
  const session = story.open(batch, grant, story.credential(batch, grant));
  for (let i = 0; i < 6; i++) story.run(batch, session, grant, 'select', `ledger.t${i % 2}`, 'select 1');
  story.deny(batch, session, 'select', 'hr.salaries', 'select 2');
  story.close(batch, session, 6, 1);
  return story.told.map(({ record, payloads }, leaf) => {
    const { id, ...rest } = record;
    const kinds = ['statement', 'parameters'].slice(0, payloads.length * (1 + (leaf % 2)));
    const committed = Object.fromEntries(
      kinds.map((kind) => [kind, { commitment: `${leaf % 10}`.repeat(64), bytes: leaf * 7 }]),
    );
    const numbered = record.principal === undefined ? {} : { principalSeq: leaf };
    const shown = kinds.length === 0 ? {} : { payloads: committed };
    return JSON.stringify({ v: 1, leaf, ...numbered, ...shown, id, ...rest });
  });
}

/** What `JSON.parse` makes of a text, or that it is none. */
function parsed(text: string): unknown {
  try {
    return { record: JSON.parse(text) as unknown };
  } catch {
    return 'no JSON';
  }
}

describe('reading entries', () => {
  const stories = entriesOfStory();
  const read = (reader: RecordReader, text: string): unknown => {
    try {
      return { record: reader.read(Buffer.from(text)).record };
    } catch (error) {
      assert.ok(error instanceof SyntaxError);
      return 'no JSON';
    }
  };

  test('gives what JSON.parse gives, and most entries share what they have in common', () => {
    const reader = new RecordReader();
    const shared = new Set();
    for (const text of [...stories, ...stories]) {
      assert.deepEqual(read(reader, text), parsed(text));
      shared.add(reader.read(Buffer.from(text)).shared);
    }
    const commands = stories.filter((text) => text.includes('"command.'));
    const kinds = new Set(commands.map((text) => reader.read(Buffer.from(text)).shared));
    assert.equal(kinds.has(null), false);
    // Two tables, an outcome, a denial.
    assert.deepEqual([commands.length, kinds.size], [13, 4]);
  });

  test('gives what JSON.parse gives of entries that somebody changed, also after it has seen the true ones', () => {
    const reader = new RecordReader();
    for (const text of stories) reader.read(Buffer.from(text));
    const piece = fc.constantFrom(
      ...[
        '',
        '"',
        '\\',
        ',',
        '{',
        '}',
        '[',
        ']',
        ':',
        ' ',
        '\n',
        '0',
        '-1',
        '1e9',
        'null',
        'é',
        '\u2028',
        '\ud83d\ude00',
      ],
      ...[
        '"id":"x",',
        ',"leaf":9',
        ',"intent":"',
        '"type":"command.outcome",',
        '"__proto__":{"a":1},',
        '"v":2,',
      ],
      ...['"rows":5', '}}', '},"a":{', ',"rows":1,"bytes":2,"durationUs":3}', '01', '"principalSeq":7,'],
    );
    const edit = fc.record({ at: fc.nat(700), drop: fc.nat(12), put: piece });
    fc.assert(
      fc.property(
        fc.constantFrom(...stories),
        fc.array(edit, { minLength: 1, maxLength: 4 }),
        (story, edits) => {
          let text = story;
          for (const { at, drop, put } of edits) text = text.slice(0, at) + put + text.slice(at + drop);
          // An edit may cut a character in two: of that no bytes remain.
          text = text.toWellFormed();
          assert.deepEqual(read(reader, text), parsed(text));
        },
      ),
      { numRuns: 3000 },
    );
  });

  test('ends that fit round something else do not make it valid', () => {
    const reader = new RecordReader();
    const denied = stories.find((text) => text.includes('"command.denied"')) as string;
    const outcome = stories.find((text) => text.includes('"command.outcome"')) as string;
    const head = denied.slice(0, denied.indexOf('"type"'));
    const broken = [
      `${head}}`,
      `${head} }`,
      `${denied.slice(0, -1)}]`,
      `${denied.slice(0, -1)} `,
      `${denied} `,
      `${head}"type":"command.outcome",,"intent":"${'0'.repeat(8)}"}`,
      outcome.replace(',"intent"', '}'),
      outcome.replace(',"intent"', ',,"intent"'),
      outcome.replace('"rows":1', '"rows":01'),
      outcome.replace('"type"', '"type'),
    ];
    for (const text of broken) assert.deepEqual(read(reader, text), parsed(text), text);
    for (const text of broken) assert.deepEqual(read(reader, text), parsed(text), text);
  });
});
