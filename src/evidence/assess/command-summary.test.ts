import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { CommandRow } from '../format.ts';
import { CommandSummary, type SummaryRow } from './command-summary.ts';

interface Made extends Pick<CommandRow, 'principal' | 'session' | 'objects' | 'decision' | 'why' | 'status'> {
  readonly hour: number;
  readonly rows: number;
}

const command: fc.Arbitrary<Made> = fc.record({
  principal: fc.constantFrom({ id: 'p1', name: 'one' }, { id: 'p2', name: 'two' }, null),
  session: fc.constantFrom('s1', 's2'),
  objects: fc.constantFrom(['a.b'], ['a.c'], [], ['a.b', 'a.c']),
  decision: fc.constantFrom('allow', 'deny') as fc.Arbitrary<'allow' | 'deny'>,
  why: fc.constantFrom('select on a.*', 'POSTERN_SCOPE_DENIED: No grant covers x.'),
  hour: fc.nat(71),
  status: fc.constantFrom('ok', 'error', null),
  rows: fc.nat(100),
});

/** Commands as the log has them: leaves in order, times not quite. */
function rowsOf(
  commands: readonly (typeof command extends fc.Arbitrary<infer T> ? T : never)[],
): CommandRow[] {
  return commands.map(({ hour, rows, status, ...one }, i) => ({
    ...one,
    leaf: 2 * i,
    outcomeLeaf: one.decision === 'allow' && status !== null ? 2 * i + 1 : null,
    id: String(i),
    time: new Date(Date.UTC(2026, 0, 1, hour)).toISOString(),
    ...{ owner: null, resource: null, grant: null, approvers: [], ticket: null, justification: null },
    ...{ verbs: ['select'], fingerprint: null, code: null, bytes: null, durationUs: null },
    status: one.decision === 'allow' ? status : null,
    rows: one.decision === 'allow' ? rows : null,
  }));
}

function summed(rows: readonly CommandRow[], most?: number): CommandSummary {
  const summary = new CommandSummary(most);
  for (const row of rows) summary.add(row, null);
  return summary;
}

const total = (rows: readonly SummaryRow[], of: 'commands' | 'failed' | 'unanswered' | 'rows'): number =>
  rows.reduce((sum, row) => sum + row[of], 0);

test('the summary has every command once, in the row of its kind and day', () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), (commands: readonly Made[]) => {
      const rows = rowsOf(commands);
      const summary = summed(rows).rows();
      assert.equal(total(summary, 'commands'), rows.length);
      assert.equal(
        total(summary, 'rows'),
        rows.reduce((sum, row) => sum + (row.rows ?? 0), 0),
      );
      assert.equal(total(summary, 'failed'), rows.filter(({ status }) => status === 'error').length);
      const open = rows.filter((row) => row.decision === 'allow' && row.outcomeLeaf === null);
      assert.equal(total(summary, 'unanswered'), open.length);
      for (const row of summary) {
        const own = rows.filter(
          (one) =>
            one.principal?.id === (row.principalId ?? undefined) &&
            one.session === row.session &&
            one.time.slice(0, 10) === row.day &&
            one.decision === row.decision &&
            JSON.stringify(one.objects) === JSON.stringify(row.objects) &&
            (one.decision === 'deny' ? one.why.split(':')[0] : one.why) === row.why,
        );
        assert.equal(own.length, row.commands);
        assert.equal(Math.min(...own.map(({ leaf }) => leaf)), row.firstLeaf);
        assert.equal(Math.max(...own.map(({ leaf }) => leaf)), row.lastLeaf);
        assert.deepEqual(
          [row.firstTime, row.lastTime],
          [
            own.map(({ time }) => time).sort()[0],
            own
              .map(({ time }) => time)
              .sort()
              .at(-1),
          ],
        );
      }
    }),
  );
});

test('in whichever parts commands are added up, it comes to the same', () => {
  fc.assert(
    fc.property(
      fc.array(command, { maxLength: 60 }),
      fc.array(fc.nat(60), { maxLength: 4 }),
      (commands, cuts) => {
        const rows = rowsOf(commands);
        const joined = new CommandSummary();
        const places = [0, ...cuts.toSorted((a, b) => a - b), rows.length];
        for (const [i, from] of places.entries())
          assert.ok(
            joined.join(structuredClone(summed(rows.slice(from, places[i + 1] ?? rows.length)).state())),
          );
        assert.deepEqual(joined.rows(), summed(rows).rows());
      },
    ),
  );
});

test('beyond so many kinds they are told apart by principal, grant and reason alone, and none is lost; such parts are not joined', () => {
  const commands = Array.from({ length: 50 }, (_, i) => ({
    ...{ principal: null, session: `s${i}`, objects: [`o${i}`], decision: 'deny' as const, why: 'X: y' },
    ...{ hour: 1, status: null, rows: 0 },
  }));
  const summary = summed(rowsOf(commands), 10);
  assert.equal(summary.rows().length, 11);
  assert.equal(total(summary.rows(), 'commands'), 50);
  const lump = summary.rows().at(-1);
  assert.deepEqual([lump?.session, lump?.verbs, lump?.objects, lump?.commands], [null, null, null, 40]);
  assert.equal(new CommandSummary(10).join(summary.state()), false);
  const [one, two] = [summed(rowsOf(commands.slice(0, 8)), 10), summed(rowsOf(commands.slice(8, 16)), 10)];
  assert.equal(one.join(two.state()), false, 'nor those that would have been lumped as a whole');
});
