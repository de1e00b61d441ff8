import { type CommonPart, RecordScanner, type ScannedRecord } from '../ledger/record-scan.ts';

/**
 * Finds the record in a leaf's entry, behind what the sequencer put in front of it (`docs/ledger-format.md`, "Entries"), and scans
 * it where it is an intent or an outcome as the gateway writes them: of all entries these are by far the most.
 */

/** An intent, or where `outcome` is not null, an outcome. */
export interface ScannedEntry {
  readonly id: string;
  readonly time: string;
  readonly common: CommonPart;
  readonly outcome: ScannedRecord['outcome'];
}

const LEAF = Buffer.from('{"v":1,"leaf":');
const SEQ = Buffer.from(',"principalSeq":');
const PAYLOADS = Buffer.from(',"payloads":{"');
const COMMITMENT = Buffer.from('":{"commitment":"');
const BYTES = Buffer.from('","bytes":');
const NEXT = Buffer.from(',"');
const COMMITMENT_DIGITS = 64;
const COMMA = 0x2c;
const BRACE = 0x7d;

export class EntryScanner {
  readonly #scanner = new RecordScanner();

  /** Null where the entry is to be parsed. */
  scan(entry: Buffer): ScannedEntry | null {
    const at = recordAt(entry);
    const scanned = at < 0 ? null : this.#scanner.scan(entry, at);
    if (scanned === null) return null;
    const { id, time, common, outcome } = scanned;
    // With what makes a record one of another kind, or with a place in it that is of another type, it goes the long way.
    return outcome !== null || isIntent(common) ? { id, time, common, outcome } : null;
  }
}

function isIntent({ members }: CommonPart): boolean {
  return members.type === 'command.intent';
}

/** Where the record's first member begins, or -1. */
function recordAt(entry: Buffer): number {
  let at = digitsEnd(entry, after(entry, 0, LEAF));
  const seq = after(entry, at, SEQ);
  if (seq >= 0) at = digitsEnd(entry, seq);
  let kind = after(entry, at, PAYLOADS);
  if (kind >= 0) {
    for (;;) {
      while (isLower(entry[kind])) kind += 1;
      const hex = after(entry, kind, COMMITMENT);
      at = digitsEnd(entry, hex < 0 ? -1 : after(entry, hex + COMMITMENT_DIGITS, BYTES));
      if (at < 0 || entry[at] !== BRACE) return -1;
      kind = after(entry, at + 1, NEXT);
      if (kind < 0) break;
    }
    if (entry[at + 1] !== BRACE) return -1;
    at += 2;
  }
  return at > 0 && entry[at] === COMMA ? at + 1 : -1;
}

/** Where `expected` ends that begins at `at`; -1 where it is not there. */
function after(entry: Buffer, at: number, expected: Buffer): number {
  if (at < 0 || at + expected.length > entry.length) return -1;
  for (let i = 0; i < expected.length; i++) if (entry[at + i] !== expected[i]) return -1;
  return at + expected.length;
}

function digitsEnd(entry: Buffer, from: number): number {
  if (from < 0) return -1;
  let at = from;
  while (isDigit(entry[at])) at += 1;
  return at === from ? -1 : at;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

function isLower(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x61 && byte <= 0x7a;
}
