import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { uuidv7 } from '../core/ids.ts';
import { principalOf, RecordScanner, type ScannedRecord } from './record-scan.ts';

const common =
  '"actor":{"kind":"principal","id":"p-1","name":"Müller \\"night\\" \\\\batch\\u0000"},' +
  '"principal":{"id":"p-1","name":"Müller \\"night\\" \\\\batch\\u0000"},' +
  '"session":"01a1ffcb-ab5a-7000-8000-0123456789ab","resource":{"id":"r-1","name":"ledger-db"},"protocol":"postgres"';

function record(type: string, rest: string): string {
  return `{"id":"${uuidv7()}","time":"2026-11-21T19:30:00.123456Z","type":"${type}",${common},${rest}}`;
}

const intent = (): string =>
  record('command.intent', '"verbs":["select"],"objects":["a.b"],"fingerprint":"f","grant":"g-1"');
const outcome = (): string =>
  record(
    'command.outcome',
    `"intent":"${uuidv7()}","status":"ok","code":"INSERT 0 1","rows":1,"bytes":15,"durationUs":180`,
  );
const closed = (): string => record('session.closed', '"reason":"client left"');

/** What the scan says, in the words of the record. */
function told({ id, time, common, outcome: own }: ScannedRecord): object {
  return { id, time, ...common.members, ...own };
}

function scan(scanner: RecordScanner, bytes: Buffer): ScannedRecord | null {
  return bytes[0] === 0x7b ? scanner.scan(bytes, 1) : null;
}

/** A scanned record is what parsing it gives; what does not parse is not scanned. Whether it was scanned. */
function agrees(scanner: RecordScanner, bytes: Buffer): boolean {
  const scanned = scan(scanner, bytes);
  if (scanned === null) return false;
  const parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as Record<
    string,
    unknown
  >;
  assert.deepEqual(told(scanned), parsed);
  assert.equal(scanned.common.principalId, principalOf(parsed));
  assert.equal(scanned.time, parsed.time);
  return true;
}

describe('scanning records', () => {
  it('reads what the gateway writes as JSON.parse does, the first time and every time after', () => {
    const scanner = new RecordScanner();
    for (let i = 0; i < 5; i++) {
      for (const json of [intent(), outcome(), closed()]) {
        assert.ok(agrees(scanner, Buffer.from(json)), json);
      }
    }
  });

  it('leaves to JSON.parse whatever differs in a byte from what it knows, or says the same as it', () => {
    const scanner = new RecordScanner();
    const whole = [intent(), outcome()].map((json) => Buffer.from(json));
    for (const bytes of whole) assert.ok(agrees(scanner, bytes));
    const changes = fc.record({
      which: fc.nat({ max: 1 }),
      at: fc.nat(),
      cut: fc.nat({ max: 3 }),
      put: fc.oneof(
        fc.uint8Array({ maxLength: 3 }),
        fc.constantFrom('"', '\\', ',', '}', '{', '0', '-1', ' ').map((s) => Buffer.from(s)),
      ),
    });
    fc.assert(
      fc.property(changes, ({ which, at, cut, put }) => {
        const bytes = whole[which] as Buffer;
        const place = at % bytes.length;
        const changed = Buffer.concat([bytes.subarray(0, place), put, bytes.subarray(place + cut)]);
        agrees(scanner, changed);
        // What it came to know by that does not make it misread the right ones.
        assert.ok(agrees(scanner, bytes));
      }),
      { numRuns: 3000 },
    );
  });

  it('does not take a member that comes twice: JSON.parse takes the last', () => {
    const scanner = new RecordScanner();
    const tails = [
      '"principal":{"id":"b","name":"b"}',
      '"id":"01a1ffcb-ab5a-7000-8000-000000000000"',
      '"time":"2026-11-21T19:30:00.123456Z"',
      '"type":"command.intent"',
      '"rows":2',
      '"intent":"01a1ffcb-ab5a-7000-8000-000000000000"',
      '"\\u0069d":"x"',
    ];
    for (const json of [intent(), outcome()]) {
      for (const tail of tails) {
        agrees(scanner, Buffer.from(`${json.slice(0, -1)},${tail}}`));
        agrees(scanner, Buffer.from(json.replace('"type"', `${tail},"type"`)));
        agrees(scanner, Buffer.from(json.replace('"protocol"', `${tail},"protocol"`)));
      }
    }
  });

  it('does not scan what is not UTF-8, nor numbers that JSON does not know or that are not exact', () => {
    const scanner = new RecordScanner();
    const bad = Buffer.from(intent());
    bad[bad.indexOf('postgres')] = 0xff;
    assert.equal(scan(scanner, bad), null);
    for (const rows of ['01', '-1', '1.0', '1e3', '1234567890123456789', '', 'null', '"1"']) {
      assert.equal(scan(scanner, Buffer.from(outcome().replace('"rows":1', `"rows":${rows}`))), null, rows);
    }
    assert.ok(scan(scanner, Buffer.from(outcome().replace('"rows":1', '"rows":0'))));
  });

  it('stays within its memory, and right, however many different records come', () => {
    const scanner = new RecordScanner();
    for (let i = 0; i < 10_000; i++) {
      const json = intent().replace('a.b', `a.${i}`);
      assert.ok(agrees(scanner, Buffer.from(json)));
    }
    assert.equal(scan(scanner, Buffer.from(intent().replace('a.b', 'x'.repeat(4000)))), null);
  });
});
