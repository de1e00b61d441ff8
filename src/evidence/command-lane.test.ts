import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import type { Ref } from '../core/record.ts';
import { entries, TileFiles } from '../ledger/tiles.ts';
import { chooseFramework } from './assess/choose.ts';
import type { ExportOptions } from './export.ts';
import { folderHost } from './folder-files.ts';
import { FILES, type Manifest } from './format.ts';
import { Bank } from './package.fixture.ts';
import type { PackageFiles } from './package-files.ts';
import { Populations } from './populations.ts';
import { tileReader } from './verify-bytes.ts';
import { LeavesVerifier } from './verify-leaves.ts';
import { leavesChecks } from './verify-range.ts';

const COMMANDS = 160;
const TEXTS = [
  'select 1',
  '',
  'select "a", \'b\'\n\tfrom t -- \\ \u007f',
  '=1+1',
  '  @sum',
  '-x',
  'select \u00fc, \u20ac, \ud83d\ude00',
  'a\u0001b',
  'x'.repeat(5000),
  '{"text":"\\"}"}',
  '"}}',
];

/** What came of going through all leaves, and how many of them went the short way. */
interface Outcome {
  readonly result: unknown;
  readonly short: number;
}

/** All of the log, and some of its time with an assessment. */
const PACKAGES = [
  ['of all commands', () => ({}), 0.8],
  ['of the commands of a period', () => chosen('2026-11-21T19:30:00.060Z/2026-11-21T19:30:00.240Z'), 0.6],
] as const;

function chosen(period: string): ExportOptions['params'] {
  const { framework, period: read } = chooseFramework({ framework: 'nist-800-53', period });
  return { framework: framework ?? undefined, period: read ?? undefined };
}

for (const [what, params, share] of PACKAGES)
  describe(`the short way through commands, ${what}`, () => {
    const bank = new Bank();
    let files: PackageFiles;
    let manifest: Manifest;
    let log: Buffer[] = [];
    before(async () => {
      await bank.open();
      const { story } = bank;
      story.people().resource();
      const principals = [story.principal('batch'), story.principal('other "quoted", \u00fc')] as const;
      const grants = principals.map((principal) => story.grant(principal, 'CHG, "7"'));
      const sessions = principals.map((principal, i) =>
        story.open(principal, grants[i] ?? '', story.credential(principal, grants[i] ?? '')),
      );
      const waiting: (() => void)[] = [];
      for (let i = 0; i < COMMANDS; i++) {
        const one = i % 3 === 1 ? 1 : 0;
        const [principal, grant, session] = [principals[one], grants[one] ?? '', sessions[one] ?? ''];
        const sql = TEXTS[i % TEXTS.length] ?? '';
        const id = story.intent(principal, session, grant, 'select', `ledger.t${i % 3}`, sql);
        const values = Buffer.from(i % 4 === 0 ? JSON.stringify([{ text: `${i},"'` }]) : `[${i % 5}]`);
        const told = story.told.at(-1);
        if (i % 2 === 0 && told !== undefined)
          story.told[story.told.length - 1] = {
            ...told,
            payloads: [...told.payloads, { kind: 'parameters', data: values }],
          };
        const answer = (): void =>
          void story.outcome(principal, session, id, i % 5, i % 7 === 0 ? 'error' : 'ok');
        if (i % 10 === 4) waiting.push(answer);
        else if (i % 50 !== 3) answer();
        if (waiting.length === 5) for (const late of waiting.splice(1).reverse()) late();
        if (i % 40 === 7) story.deny(principal, session, 'delete', 'hr.salaries', `delete ${i}`);
        if (i === 60) story.handOver(principals[0], story.ana);
        if (i === 80) sessions[0] = again(principals[0], grants[0] ?? '', sessions[0] ?? '');
        if (i === 120) story.revoke(principals[1], grants[1] ?? '', 'done');
        if (i === 120) grants[1] = story.grant(principals[1]);
      }
      await bank.log();
      const dir = await bank.export(params());
      ({ files } = folderHost(dir, { from: Number.POSITIVE_INFINITY, ranges: 0 }));
      manifest = JSON.parse(readFileSync(join(dir, FILES.manifest), 'utf8')) as Manifest;
      const store = new TileFiles(tileReader(files));
      log = [...entries(store, 0, manifest.log.size)].map(({ entry }) => entry);
    });
    after(() => bank.close());

    function again(principal: Ref, grant: string, session: string): string {
      bank.story.close(principal, session, 1, 0);
      return bank.story.open(principal, grant, bank.story.credential(principal, grant));
    }

    /** Goes through the leaves, all the long way or not. */
    function through(leaves: readonly Buffer[], given: PackageFiles, short: boolean): Outcome {
      const checks = leavesChecks();
      const verifier = new LeavesVerifier(given, manifest, new Populations(), checks, null, short);
      let taken = 0;
      for (const [leaf, entry] of leaves.entries()) {
        if (verifier.takeShort(leaf, entry.toString('latin1'))) taken += 1;
        else verifier.take(leaf, entry, leaves.length);
      }
      const waiting = verifier.open.map(({ record, leaf, owner, outcome }) => [record, leaf, owner, outcome]);
      verifier.end();
      const states = Object.values(checks).map((check) => check.state());
      const { lastUse, sequences, texts, tally, summary, leaves: count } = verifier;
      const ids = verifier.ids.state().used;
      return {
        result: {
          states,
          waiting,
          lastUse,
          sequences,
          texts,
          tally: tally.state(),
          summary: summary.state(),
          count,
          ids,
        },
        short: taken,
      };
    }

    /** The files of the package, one of them with other content. */
    function instead(path: string, content: Buffer): PackageFiles {
      return {
        list: () => files.list(),
        size: (of) => (of === path ? content.length : files.size(of)),
        read: (of) => (of === path ? content : files.read(of)),
        sha256: (of) => files.sha256(of),
        open: (of, span) => {
          if (of !== path) return files.open(of, span);
          let at = 0;
          return {
            read: (into) => {
              const part = content.subarray(at, at + into.length);
              into.set(part);
              at += part.length;
              return part.length;
            },
            close: () => undefined,
          };
        },
      };
    }

    test('is gone for most, finds nothing wrong, and comes to what the long way comes to', () => {
      const [short, long] = [through(log, files, true), through(log, files, false)];
      assert.deepEqual(short.result, long.result);
      assert.equal(long.short, 0);
      assert.ok(short.short > COMMANDS * share, `${short.short} of ${log.length}`);
      for (const { problems } of (short.result as { states: { problems: number }[] }).states)
        assert.equal(problems, 0);
    });

    /** Another byte of the same sort, so that the form holds more often. */
    const changed = (byte: number, by: number): number => {
      const next = (from: number, count: number): number =>
        from + ((byte - from + 1 + (by % (count - 1))) % count);
      if (byte >= 0x30 && byte <= 0x39) return next(0x30, 10);
      if (byte >= 0x61 && byte <= 0x66) return next(0x61, 6);
      return by % 256;
    };
    const edit = fc.record({
      place: fc.double({ min: 0, max: 0.999_999, noNaN: true }),
      by: fc.nat(1000),
      how: fc.constantFrom('replace', 'replace', 'replace', 'insert', 'remove', 'double') as fc.Arbitrary<
        'replace' | 'insert' | 'remove' | 'double'
      >,
    });

    function edited(of: Buffer, { place, by, how }: { place: number; by: number; how: string }): Buffer {
      const at = Math.floor(place * of.length);
      const byte = of[at] ?? 0;
      if (how === 'double') {
        const line = of.indexOf(0x0a, at) + 1;
        return Buffer.concat([of.subarray(0, line), of.subarray(at, line), of.subarray(line)]);
      }
      const middle = how === 'remove' ? [] : how === 'insert' ? [by % 256, byte] : [changed(byte, by)];
      return Buffer.concat([of.subarray(0, at), Buffer.from(middle), of.subarray(at + 1)]);
    }

    for (const path of [FILES.commands, FILES.commandsCsv]) {
      test(`tells the same as the long way of ${path} with anything changed in it`, () => {
        const content = files.read(path);
        fc.assert(
          fc.property(edit, (one) => {
            const given = instead(path, edited(content, one));
            assert.deepEqual(through(log, given, true).result, through(log, given, false).result);
          }),
          { numRuns: 120 },
        );
      });
    }

    test('tells the same as the long way of entries with anything changed in them, missing, or there twice', () => {
      fc.assert(
        fc.property(edit, fc.double({ min: 0, max: 0.999_999, noNaN: true }), (one, which) => {
          const leaf = Math.floor(which * log.length);
          const entry = log[leaf] as Buffer;
          const instead_ =
            one.how === 'double'
              ? [entry, entry]
              : one.how === 'remove' && one.by % 2 === 0
                ? []
                : [edited(entry, one)];
          const other = [...log.slice(0, leaf), ...instead_, ...log.slice(leaf + 1)];
          assert.deepEqual(through(other, files, true).result, through(other, files, false).result);
        }),
        { numRuns: 250 },
      );
    });

    test('tells the same where a value of an entry is another that could stand there', () => {
      const values = [
        ['"rows":', '"rows":1'],
        ['"status":"ok"', '"status":"Ok"'],
        ['"code":"', '"code":"\\u0041'],
        ['2026-11-21T', '2026-11-31T'],
        ['2026-11-21T', '2036-11-21T'],
        ['"principalSeq":', '"principalSeq":0'],
        ['"v":1', '"v":2'],
        ['"leaf":', '"leaf":1'],
        ['"type":"command.', '"rows":7,"type":"command.'],
        ['"type":"command.', '"change":{"id":"a","after":{}},"type":"command.'],
        ['"decision":{', '"id":"x","decision":{'],
        ['"bytes":', '"bytes":-'],
        ['"commitment":"', '"commitment":"\\'],
        ['batch', 'b\u00e4tch'],
      ] as const;
      for (const [is, becomes] of values) {
        const place = log.findLastIndex((entry) => entry.includes(is) && entry.includes('command.'));
        for (const leaf of [place, log.findIndex((entry, i) => i > 100 && entry.includes(is))]) {
          const other = log.with(leaf, Buffer.from((log[leaf] ?? '').toString().replace(is, becomes)));
          assert.deepEqual(through(other, files, true).result, through(other, files, false).result, becomes);
        }
      }
    });
  });
