/** Readers of what a PostgreSQL client or server sends. */
import assert from 'node:assert/strict';
import { PosternError } from '../../src/core/errors.ts';
import { readBind } from '../../src/protocols/postgres/bind.ts';
import { normalizeLiterals } from '../../src/protocols/postgres/normalize.ts';
import { examine, loadParser, MAX_INLINE_BYTES } from '../../src/protocols/postgres/parser.ts';
import { readTypes, requestRules } from '../../src/protocols/postgres/request-messages.ts';
import { formatScope, parseScope } from '../../src/protocols/postgres/scope-text.ts';
import { parseStartupOptions, startupOptionDenied } from '../../src/protocols/postgres/settings.ts';
import { readDataRow } from '../../src/protocols/postgres/simple-query.ts';
import { protocolName } from '../../src/protocols/postgres/statement-name.ts';
import { upstreamRules } from '../../src/protocols/postgres/upstream.ts';
import {
  CANCEL_REQUEST,
  errorFields,
  FrameReader,
  type FrameRules,
  int32,
  readStartup,
  SSL_REQUEST_PACKET,
  startup,
  WireError,
} from '../../src/protocols/postgres/wire.ts';
import { say } from '../support/wire-client.ts';
import { answers, type FuzzTarget } from './target.ts';

const MESSAGES = [
  say.query('select 1'),
  say.parse('s', 'select $1', [23]),
  say.bind('p', 's', ['1', null, '']),
  say.describe('S', 's'),
  say.execute('p', 10),
  say.close('P', 'p'),
  say.copyData('1\t2\n'),
  say.copyDone(),
  say.copyFail('no'),
  say.sync(),
  say.flush(),
  say.terminate(),
];
const NUMBERS = [0, 1, 4, 5, 65535, 65536, 0x7fffffff, 0xffffffff].map((n) => int32(n | 0));

/** What comes out when the bytes come in pieces that end at `cuts`: types and bytes, or how it ended. */
function frames(rules: FrameRules, input: Buffer, cuts: readonly number[]): string[] {
  const reader = new FrameReader(rules);
  const out: string[] = [];
  let from = 0;
  try {
    for (const cut of [...cuts, input.length]) {
      reader.push(Buffer.from(input.subarray(from, cut)));
      from = cut;
      while (reader.next()) {
        const { type, buffer, start, end, first, oversize } = reader;
        const bytes = buffer.toString('latin1', start, end);
        if (first) out.push(`${type}${oversize ? ' oversize' : ''} ${bytes}`);
        else out[out.length - 1] += bytes;
      }
    }
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    out.push(error.message);
  }
  return out;
}

/** In one piece, byte by byte and in two pieces it must be the same messages. */
function sameHoweverCut(rules: FrameRules, input: Buffer): void {
  const whole = frames(rules, input, []);
  const every = Array.from({ length: Math.min(input.length, 300) }, (_, i) => i);
  assert.deepEqual(frames(rules, input, every), whole);
  assert.deepEqual(frames(rules, input, [input.length >> 1]), whole);
}

const SQL = [
  "select id, amount from ledger.entries where id = 1 and name = 'x' order by 1 limit 5",
  'insert into t (a, b) values (1, 2.5), ($1, null) on conflict (a) do update set b = excluded.b returning *',
  'with x as (delete from t where a > 3 returning a) select count(*) from x join y using (a)',
  'update only public.t set a = (select max(b) from "U") where exists (table s)',
  'copy t (a, b) from stdin with (format csv, header)',
  'create table n (id int primary key references o (id), at timestamptz default now())',
  'alter table t add column c text; drop index i; set search_path = a, b',
  "select U&'d\\0061t', E'\\n', $q$x$q$, b'01', x'ff', 1e5, .5, 0x1F, '{1,2}'::int[], float '1'",
  'merge into t using s on t.a = s.a when matched then delete when not matched then insert values (1)',
  'declare c cursor for select 1; fetch 2 from c; prepare p as select $1; execute p (1); deallocate all',
  'explain (analyze, format json) select json_agg(t) from t, lateral (select t.a) l',
];
const shapes = new Map<string, { readonly text: string; readonly does: string }>();

export const POSTGRES_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'client-frames',
    covers: ['postgres/wire.ts', 'postgres/request-messages.ts'],
    seeds: [Buffer.concat(MESSAGES), ...MESSAGES],
    words: [...MESSAGES, ...NUMBERS],
    // A small limit, so that messages over it are tried as well.
    run: (input) => sameHoweverCut(requestRules(64), input),
  },
  {
    name: 'server-frames',
    covers: ['postgres/wire.ts', 'postgres/upstream.ts'],
    seeds: [Buffer.from('5a0000000549430000000d53454c454354203100', 'hex')],
    words: ['D', 'C', 'E', 'S', 'T', 'Z', 'd', 'G', ...NUMBERS],
    run: (input) => sameHoweverCut(upstreamRules, input),
  },
  {
    name: 'startup',
    covers: ['postgres/wire.ts', 'postgres/settings.ts'],
    seeds: [
      SSL_REQUEST_PACKET,
      startup([
        ['user', 'job'],
        ['database', 'ledger-db'],
        ['options', '-c a.b=c --work_mem=1MB'],
        ['_pq_.x', '1'],
      ]),
      Buffer.concat([int32(16), int32(CANCEL_REQUEST), int32(1), int32(2)]),
    ],
    words: ['user\0', 'database\0', 'options\0', '-c ', '\\ ', 'replication\0', '\0\0', ...NUMBERS],
    run(input) {
      const read = answers(() => readStartup(input), WireError);
      if (read === null) return;
      assert.ok(read.size <= input.length);
      for (const [name, value] of read.packet.parameters) {
        assert.ok(!name.includes('\0') && !value.includes('\0'));
        parseStartupOptions(value);
        startupOptionDenied(name, value);
      }
    },
  },
  {
    name: 'bind',
    covers: ['postgres/bind.ts', 'postgres/statement-name.ts', 'postgres/wire.ts'],
    seeds: [say.bind('p', 's', ['1', null, '', '\u00e9', Buffer.from([0xff])]), say.bind('', '')],
    words: NUMBERS,
    run(input) {
      const bind = answers(() => readBind(input, 0, input.length, () => [23, 25]), WireError);
      if (bind?.parameters) assert.ok(Array.isArray(JSON.parse(bind.parameters.toString())));
      answers(() => readTypes(input, 0, input.length), WireError);
      answers(() => protocolName(input, 0, input.length), WireError);
    },
  },
  {
    name: 'server-messages',
    covers: ['postgres/wire.ts', 'postgres/simple-query.ts'],
    seeds: [
      Buffer.from('450000002653455252 4f5200433432353031 004d6e6f0000'.replaceAll(' ', ''), 'hex'),
      Buffer.from('44000000100002000000013100000000ffffffff', 'hex'),
    ],
    words: ['S', 'C42501\0', 'M', '\0', ...NUMBERS],
    run(input) {
      answers(() => errorFields(input, 0, input.length), WireError);
      answers(() => readDataRow(input), WireError);
    },
  },
  {
    name: 'scope',
    covers: ['postgres/scope-text.ts'],
    seeds: [
      'select (id, "a b*"), update (amount) on ledger.entries, "My".*; all on pg_temp.*',
      'listen on jobs_*; set on app.tenant_id',
    ],
    words: ['select', 'all', ' on ', '.', '*', '?', '"', '""', ',', ';', '(', ')', 'pg_catalog', '\u0130'],
    run(input) {
      const scope = answers(() => parseScope(input.toString('utf8')), PosternError);
      if (scope !== null) assert.deepEqual(parseScope(formatScope(scope)), scope);
    },
  },
  {
    name: 'statement',
    covers: ['postgres/classif', 'postgres/collector.ts', 'postgres/normalize.ts', 'postgres/lineage'],
    seeds: SQL,
    words: [
      ...SQL.flatMap((text) => text.split(/(?=[ (,])/)),
      ...["'", '"', '$$', '--', '/*', '*/', ';', '\\', "E'", "U&'", 'uescape', '::', '..', '\u00a0'],
    ],
    ready: loadParser,
    run(input) {
      const text = input.toString('utf8').slice(0, MAX_INLINE_BYTES / 3);
      const examined = examine(text);
      // Only while a lost parser is replaced; then there is nothing to compare.
      if (examined instanceof Promise) return examined.then(() => undefined);
      const shape = normalizeLiterals(text);
      if (shape === null || examined.classified.denied !== null || examined.classified.literalsMatter) return;
      // Texts of one shape share one entry of the cache, so they must do the same.
      const does = JSON.stringify([examined.classified, examined.fingerprint]);
      const before = shapes.get(shape);
      if (before !== undefined) assert.equal(does, before.does, `${before.text}\n${text}`);
      else if (shapes.size < 100_000) shapes.set(shape, { text, does });
      return undefined;
    },
  },
];
