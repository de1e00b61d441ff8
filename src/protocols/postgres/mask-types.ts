/**
 * PostgreSQL's built-in types as masks need them: their names, and their binary form as text and back.
 *
 * @see https://www.postgresql.org/docs/18/datatype.html
 */
import { decodeNumeric, encodeNumeric } from './mask-numeric.ts';

/** A type of a result column. */
export interface MaskType {
  /** As in `pg_type`; empty for one that is not built in. */
  readonly name: string;
  /** Null where a value has no text that is known here. */
  readonly decode: ((bytes: Buffer) => string | null) | null;
  /** Null where a text cannot be written in this form. */
  readonly encode: ((text: string) => Buffer | null) | null;
}

const utf8 = (bytes: Buffer): string => bytes.toString('utf8');
const fromUtf8 = (text: string): Buffer => Buffer.from(text, 'utf8');

function fixed(size: number, write: (out: Buffer) => void): Buffer {
  const out = Buffer.alloc(size);
  write(out);
  return out;
}

function integer(size: 2 | 4 | 8) {
  const limit = 1n << BigInt(size * 8 - 1);
  return {
    decode: (bytes: Buffer): string | null => {
      if (bytes.length !== size) return null;
      if (size === 2) return String(bytes.readInt16BE(0));
      return size === 4 ? String(bytes.readInt32BE(0)) : String(bytes.readBigInt64BE(0));
    },
    encode: (text: string): Buffer | null => {
      if (!/^-?\d{1,19}$/.test(text)) return null;
      const value = BigInt(text);
      if (value >= limit || value < -limit) return null;
      return fixed(8, (out) => out.writeBigInt64BE(value)).subarray(8 - size);
    },
  };
}

function float(size: 4 | 8) {
  return {
    decode: (bytes: Buffer): string | null =>
      bytes.length !== size ? null : String(size === 4 ? bytes.readFloatBE(0) : bytes.readDoubleBE(0)),
    encode: (text: string): Buffer | null => {
      const value = Number(text);
      if (text.trim() === '' || !Number.isFinite(value)) return null;
      return fixed(size, (out) => (size === 4 ? out.writeFloatBE(value) : out.writeDoubleBE(value)));
    },
  };
}

/** Days between the Unix epoch and PostgreSQL's, 2000-01-01. */
const EPOCH_DAYS = 10_957;
const DAY_MICROS = 86_400_000_000n;
const MAX_DAYS = 2_932_896;

function dayText(days: number): string | null {
  // Only years of four digits: others are written in ways of their own.
  if (days < -719_162 || days > MAX_DAYS) return null;
  return new Date(days * 86_400_000).toISOString().slice(0, 10);
}

function dayNumber(text: string): number | null {
  const match = /^(\d{4}-\d{2}-\d{2})$/.exec(text);
  const time = match === null ? Number.NaN : Date.parse(`${match[1]}T00:00:00Z`);
  return Number.isNaN(time) ? null : time / 86_400_000;
}

const date = {
  decode: (bytes: Buffer): string | null =>
    bytes.length === 4 ? dayText(bytes.readInt32BE(0) + EPOCH_DAYS) : null,
  encode: (text: string): Buffer | null => {
    const days = dayNumber(text);
    return days === null ? null : fixed(4, (out) => out.writeInt32BE(days - EPOCH_DAYS));
  },
};

function timestamp(zone: '' | '+00') {
  return {
    decode: (bytes: Buffer): string | null => {
      if (bytes.length !== 8) return null;
      const micros = bytes.readBigInt64BE(0) + BigInt(EPOCH_DAYS) * DAY_MICROS;
      const inDay = ((micros % DAY_MICROS) + DAY_MICROS) % DAY_MICROS;
      const day = dayText(Number((micros - inDay) / DAY_MICROS));
      if (day === null) return null;
      const clock = new Date(Number(inDay / 1000n)).toISOString().slice(11, 19);
      const fraction = inDay % 1_000_000n;
      return `${day} ${clock}${fraction === 0n ? '' : `.${String(fraction).padStart(6, '0')}`}${zone}`;
    },
    encode: (text: string): Buffer | null => {
      const match = /^(\d{4}-\d{2}-\d{2}) (\d{2}):(\d{2}):(\d{2})(?:\+00)?$/.exec(text);
      const days = match === null ? null : dayNumber(match[1] ?? '');
      if (match === null || days === null) return null;
      const seconds = Number(match[2]) * 3600 + Number(match[3]) * 60 + Number(match[4]);
      const micros = BigInt(days - EPOCH_DAYS) * DAY_MICROS + BigInt(seconds) * 1_000_000n;
      return fixed(8, (out) => out.writeBigInt64BE(micros));
    },
  };
}

const bool = {
  decode: (bytes: Buffer): string => (bytes[0] === 1 ? 't' : 'f'),
  encode: (text: string): Buffer | null =>
    text === 't' || text === 'f' ? Buffer.from([text === 't' ? 1 : 0]) : null,
};

const uuid = {
  decode: (bytes: Buffer): string | null => {
    if (bytes.length !== 16) return null;
    return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  },
  encode: (text: string): Buffer | null => {
    const hex = text.replaceAll('-', '');
    return /^[0-9a-fA-F]{32}$/.test(hex) ? Buffer.from(hex, 'hex') : null;
  },
};

const bytea = {
  decode: (bytes: Buffer): string => `\\x${bytes.toString('hex')}`,
  encode: (text: string): Buffer | null =>
    /^\\x(?:[0-9a-f]{2})*$/.test(text) ? Buffer.from(text.slice(2), 'hex') : null,
};

const jsonb = {
  decode: (bytes: Buffer): string | null => (bytes[0] === 1 ? bytes.toString('utf8', 1) : null),
  encode: (text: string): Buffer => Buffer.concat([Buffer.from([1]), Buffer.from(text, 'utf8')]),
};

/** IPv4 only; families are numbered as the server does it. */
function network(isCidr: 0 | 1) {
  return {
    decode: (bytes: Buffer): string | null =>
      bytes.length === 8 && bytes[0] === 2 && bytes[3] === 4
        ? `${[...bytes.subarray(4)].join('.')}${bytes[1] === 32 && isCidr === 0 ? '' : `/${bytes[1]}`}`
        : null,
    encode: (text: string): Buffer | null => {
      const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:\/(\d{1,2}))?$/.exec(text);
      if (match === null) return null;
      const parts = match.slice(1, 5).map(Number);
      return Buffer.from([2, Number(match[5] ?? 32), isCidr, 4, ...parts]);
    },
  };
}

/** Only the value that stands for a redacted one: the others have no text here. */
function constant(text: string, bytes: number) {
  return {
    decode: null,
    encode: (given: string): Buffer | null => (given === text ? Buffer.alloc(bytes) : null),
  };
}

const plainText = { decode: utf8, encode: fromUtf8 };
const opaque = { decode: null, encode: null };

type Codec = Omit<MaskType, 'name'>;

const TYPES = new Map<number, MaskType>(
  (
    [
      [16, 'bool', bool],
      [17, 'bytea', bytea],
      [18, 'char', plainText],
      [19, 'name', plainText],
      [20, 'int8', integer(8)],
      [21, 'int2', integer(2)],
      [23, 'int4', integer(4)],
      [25, 'text', plainText],
      [26, 'oid', opaque],
      [27, 'tid', opaque],
      [28, 'xid', opaque],
      [29, 'cid', opaque],
      [114, 'json', plainText],
      [142, 'xml', plainText],
      [600, 'point', opaque],
      [601, 'lseg', opaque],
      [602, 'path', opaque],
      [603, 'box', opaque],
      [604, 'polygon', opaque],
      [628, 'line', opaque],
      [650, 'cidr', network(1)],
      [700, 'float4', float(4)],
      [701, 'float8', float(8)],
      [705, 'unknown', plainText],
      [718, 'circle', opaque],
      [774, 'macaddr8', opaque],
      [790, 'money', constant('0', 8)],
      [829, 'macaddr', constant('00:00:00:00:00:00', 6)],
      [869, 'inet', network(0)],
      [1042, 'bpchar', plainText],
      [1043, 'varchar', plainText],
      [1082, 'date', date],
      [1083, 'time', constant('00:00:00', 8)],
      [1114, 'timestamp', timestamp('')],
      [1184, 'timestamptz', timestamp('+00')],
      [1186, 'interval', constant('00:00:00', 16)],
      [1266, 'timetz', constant('00:00:00+00', 12)],
      [1560, 'bit', opaque],
      [1562, 'varbit', opaque],
      [1700, 'numeric', { decode: decodeNumeric, encode: encodeNumeric }],
      [2278, 'void', opaque],
      [2950, 'uuid', uuid],
      [3220, 'pg_lsn', opaque],
      [3802, 'jsonb', jsonb],
      [3904, 'int4range', opaque],
      [3906, 'numrange', opaque],
      [3908, 'tsrange', opaque],
      [3910, 'tstzrange', opaque],
      [3912, 'daterange', opaque],
      [3926, 'int8range', opaque],
      [5069, 'xid8', opaque],
      // Arrays: their text is known, their binary form is masked whole.
      [1000, '_bool', opaque],
      [1001, '_bytea', opaque],
      [1005, '_int2', opaque],
      [1007, '_int4', opaque],
      [1009, '_text', opaque],
      [1014, '_bpchar', opaque],
      [1015, '_varchar', opaque],
      [1016, '_int8', opaque],
      [1021, '_float4', opaque],
      [1022, '_float8', opaque],
      [1028, '_oid', opaque],
      [1115, '_timestamp', opaque],
      [1182, '_date', opaque],
      [1185, '_timestamptz', opaque],
      [1231, '_numeric', opaque],
      [2951, '_uuid', opaque],
    ] as [number, string, Codec][]
  ).map(([oid, name, codec]) => [oid, { name, ...codec }]),
);

const OTHER: MaskType = { name: '', ...opaque };

/** Whether a value's binary form is its text. */
export const isText = ({ encode }: MaskType): boolean => encode === fromUtf8;

/** @param oid as RowDescription has it; 0 where it is not known */
export function maskType(oid: number): MaskType {
  return TYPES.get(oid) ?? OTHER;
}
