import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { COMMANDS_HEADER, CommandTexts } from './command-texts.ts';
import { csvLine } from './csv.ts';
import type { CommandRow, PayloadsShown } from './format.ts';

const word = fc.oneof(
  fc.constantFrom('', 'a', 'x,y', '"', '=1+1', ' @x', "'", '\\', '\n', '\u2028', '\ud800', 'ü'),
  fc.string(),
);
const nullable = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(of, { nil: null });
const ref = fc.record({ id: word, name: word });
const figure = fc.oneof(fc.nat(), fc.constantFrom(-0, 1.5, 1e21, 2 ** 53));
const row: fc.Arbitrary<CommandRow> = fc.record({
  leaf: fc.nat(),
  outcomeLeaf: nullable(fc.nat()),
  id: word,
  time: word,
  decision: fc.constantFrom('allow' as const, 'deny' as const),
  principal: nullable(ref),
  owner: nullable(ref),
  session: word,
  resource: nullable(ref),
  grant: nullable(word),
  approvers: fc.array(ref, { maxLength: 2 }),
  ticket: nullable(word),
  justification: nullable(word),
  verbs: fc.array(word, { maxLength: 2 }),
  objects: fc.array(word, { maxLength: 2 }),
  fingerprint: nullable(word),
  why: word,
  status: nullable(word),
  code: nullable(word),
  rows: nullable(figure),
  bytes: nullable(figure),
  durationUs: nullable(figure),
});

/** What a row was before parts of it were kept. */
function plainly(of: CommandRow, statement: string): readonly [json: string, csv: string] {
  const columns = COMMANDS_HEADER.trimEnd().split(',').slice(0, -2) as (keyof CommandRow)[];
  return [
    `${JSON.stringify(of).slice(0, -1)},"payloads":`,
    csvLine([...columns.map((column) => of[column]), statement, null]),
  ];
}

describe('the rows of commands as texts', () => {
  test('are those of JSON.stringify and of the CSV, whatever was kept of a row before that has the same middle', () => {
    fc.assert(
      fc.property(row, row, word, (first, second, statement) => {
        const texts = new CommandTexts();
        const shared = { members: {} };
        const payloads = {
          statement: { commitment: '', bytes: 0, salt: '', text: statement },
        } as PayloadsShown;
        const write = (of: CommandRow): readonly [string, string] => [
          texts.beginning(of, shared).join(''),
          texts.line(of, payloads, shared).join(''),
        ];
        assert.deepEqual(write(first), plainly(first, statement));
        assert.deepEqual(write(first), plainly(first, statement));
        // The same leaf but for its ends; another owner, or an authority that was changed meanwhile.
        const { leaf, outcomeLeaf, id, time, status, code, rows, bytes, durationUs } = second;
        const ends = { ...first, leaf, outcomeLeaf, id, time, status, code, rows, bytes, durationUs };
        assert.deepEqual(write(ends), plainly(ends, statement));
        const { owner, approvers, ticket, justification } = second;
        for (const change of [{ owner }, { approvers }, { ticket }, { justification }]) {
          const changed = { ...ends, ...change };
          assert.deepEqual(write(changed), plainly(changed, statement));
        }
      }),
    );
  });
});
