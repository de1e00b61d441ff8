import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { microsOf } from '../../activity/times.ts';
import type { Ref } from '../../core/record.ts';
import { FILES, type PayloadShown, type ShownCommandRow } from '../format.ts';
import { linesOf, type PartSource, rowOf } from './read.ts';
import { RowScan } from './row-scan.ts';
import { RowValues } from './row-values.ts';

/** Rows that are written together, unless their texts are longer than this many characters together: what is held in memory. */
const GROUP_ROWS = 20_000;
const GROUP_TEXT = 16 << 20;

type Kind = 'text' | 'number' | 'time' | 'list';
type Value = string | bigint | readonly string[] | null;

interface Column {
  readonly name: string;
  readonly kind: Kind;
  readonly optional?: true;
  readonly of: (row: ShownCommandRow) => Value;
}

const number = (value: number | null): bigint | null => (value === null ? null : BigInt(value));
const id = (ref: Ref | null): string | null => ref?.id ?? null;
const nameOf = (ref: Ref | null): string | null => ref?.name ?? null;

const COLUMNS: readonly Column[] = [
  { name: 'leaf', kind: 'number', of: (row) => number(row.leaf) },
  { name: 'outcome_leaf', kind: 'number', optional: true, of: (row) => number(row.outcomeLeaf) },
  { name: 'id', kind: 'text', of: (row) => row.id },
  { name: 'time', kind: 'time', of: (row) => BigInt(microsOf(row.time)) },
  { name: 'decision', kind: 'text', of: (row) => row.decision },
  { name: 'principal_id', kind: 'text', optional: true, of: (row) => id(row.principal) },
  { name: 'principal', kind: 'text', optional: true, of: (row) => nameOf(row.principal) },
  { name: 'owner_id', kind: 'text', optional: true, of: (row) => id(row.owner) },
  { name: 'owner', kind: 'text', optional: true, of: (row) => nameOf(row.owner) },
  { name: 'session', kind: 'text', of: (row) => row.session },
  { name: 'resource_id', kind: 'text', optional: true, of: (row) => id(row.resource) },
  { name: 'resource', kind: 'text', optional: true, of: (row) => nameOf(row.resource) },
  { name: 'grant', kind: 'text', optional: true, of: (row) => row.grant },
  { name: 'approvers', kind: 'list', of: (row) => row.approvers.map(({ name }) => name) },
  { name: 'ticket', kind: 'text', optional: true, of: (row) => row.ticket },
  { name: 'justification', kind: 'text', optional: true, of: (row) => row.justification },
  { name: 'verbs', kind: 'list', of: (row) => row.verbs },
  { name: 'objects', kind: 'list', of: (row) => row.objects },
  { name: 'fingerprint', kind: 'text', optional: true, of: (row) => row.fingerprint },
  { name: 'why', kind: 'text', of: (row) => row.why },
  { name: 'status', kind: 'text', optional: true, of: (row) => row.status },
  { name: 'code', kind: 'text', optional: true, of: (row) => row.code },
  { name: 'rows', kind: 'number', optional: true, of: (row) => number(row.rows) },
  { name: 'bytes', kind: 'number', optional: true, of: (row) => number(row.bytes) },
  { name: 'duration_us', kind: 'number', optional: true, of: (row) => number(row.durationUs) },
  { name: 'statement', kind: 'text', optional: true, of: ({ payloads }) => shown(payloads.statement) },
  { name: 'statement_is', kind: 'text', optional: true, of: ({ payloads }) => form(payloads.statement) },
  { name: 'parameters', kind: 'text', optional: true, of: ({ payloads }) => shown(payloads.parameters) },
  { name: 'parameters_are', kind: 'text', optional: true, of: ({ payloads }) => form(payloads.parameters) },
];

/**
 * The commands as Parquet, piece by piece: the columns of `commands.csv`, with times, numbers and lists as what they are.
 * Nested forms of the same (OCSF) have none of their own.
 *
 * @see https://parquet.apache.org/docs/file-format/
 */
export function* parquetBytes(source: PartSource): Generator<Uint8Array> {
  const { origin, size, root } = source.manifest.log;
  const made = new PieceWriter();
  const writer = new ParquetWriter({
    writer: made,
    schema: SCHEMA,
    createdBy: 'Postern',
    kvMetadata: [{ key: 'postern.log', value: `${origin} ${size} ${root}` }],
  });
  let values: Value[][] = COLUMNS.map(() => []);
  let text = 0;
  const write = (): void => {
    const columnData = COLUMNS.map(({ name }, i) => ({ name, data: values[i] as Value[] }));
    writer.write({ columnData, rowGroupSize: GROUP_ROWS });
    values = COLUMNS.map(() => []);
    text = 0;
  };
  let held = 0;
  const scan = new RowScan();
  const kinds = new RowValues();
  for (const line of linesOf(source.files, FILES.commands)) {
    const row = (scan.read(line) ? kinds.row(scan) : null) ?? rowOf(line);
    for (let i = 0; i < COLUMNS.length; i++) {
      const value = (COLUMNS[i] as Column).of(row);
      if (typeof value === 'string') text += value.length;
      (values[i] as Value[]).push(value);
    }
    held += 1;
    if (held < GROUP_ROWS && text < GROUP_TEXT) continue;
    write();
    held = 0;
    yield* made.taken();
  }
  if (held > 0) write();
  writer.finish();
  yield* made.taken();
}

/** Hands out what was written group by group. */
class PieceWriter extends ByteWriter {
  #pieces: Uint8Array[] = [];

  flush(): void {
    this.#pieces.push(this.getBytes().slice());
    this.index = 0;
  }

  override finish(): void {
    this.flush();
  }

  taken(): readonly Uint8Array[] {
    const pieces = this.#pieces;
    this.#pieces = [];
    return pieces;
  }
}

const SCHEMA = [{ name: 'commands', num_children: COLUMNS.length }, ...COLUMNS.flatMap(elementsOf)];

function elementsOf({
  name,
  kind,
  optional,
}: Column): ConstructorParameters<typeof ParquetWriter>[0]['schema'] {
  const repetition_type = optional ? 'OPTIONAL' : 'REQUIRED';
  if (kind === 'number') return [{ name, type: 'INT64', repetition_type }];
  if (kind === 'text') return [{ name, type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type }];
  if (kind === 'time') {
    const logical_type = { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' } as const;
    return [{ name, type: 'INT64', converted_type: 'TIMESTAMP_MICROS', logical_type, repetition_type }];
  }
  return [
    { name, converted_type: 'LIST', repetition_type, num_children: 1 },
    { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
    { name: 'element', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
  ];
}

/** The text, in base64 where it is none; null where the package does not show it. */
function shown(payload: PayloadShown | undefined): string | null {
  if (payload === undefined || 'absent' in payload) return null;
  if ('text' in payload) return payload.text;
  return 'masked' in payload ? payload.masked : payload.base64;
}

/** In which form the package shows it. */
function form(payload: PayloadShown | undefined): string | null {
  if (payload === undefined) return null;
  if ('absent' in payload) return payload.absent;
  return 'text' in payload ? 'full' : 'masked' in payload ? 'masked' : 'base64';
}
