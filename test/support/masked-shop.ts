/** A shop whose customers' data are masked, behind a real Postern, and what of them must never be seen. */
import { Bank, type Credential } from './bank.ts';
import type { PostgresOptions } from './postgres.ts';

const SCHEMA = `
create schema shop;
create table shop.customers (
  id int primary key, name text not null, email text unique, ssn varchar(20), salary numeric(12,2), born date,
  note text, active bool default true, uid uuid, meta jsonb, tags text[], points int, last_ip inet, seen timestamptz,
  doubled numeric generated always as (salary * 2) stored, constraint positive check (salary > 0)
);
insert into shop.customers (id, name, email, ssn, salary, born, note, uid, meta, tags, points, last_ip, seen) values
  (1, 'Zoe', 'zoe.quill@hidden.example', '900-55-1234', 73519.42, '1984-07-09', 'calls on mondays',
   'd3adb33f-1111-4222-8333-444455556666', '{"k": "meta-hush-1"}', '{tag-hush-1,b}', 88123457, '10.77.66.55', '2019-03-04 05:06:07+00'),
  (2, 'Yan', 'yan.marsh@hidden.example', '901-66-4321', 64208.17, '1979-12-30', 'ok',
   'cafebabe-aaaa-4bbb-8ccc-ddddeeeeffff', '{"k": "meta-hush-2"}', '{tag-hush-2}', 88123458, '10.77.66.56', null),
  (3, 'Xia', null, null, null, null, null, null, null, null, null, null, null);
create table shop.orders (id int primary key, customer int references shop.customers, item text, price numeric, email text);
insert into shop.orders values (1, 1, 'lamp', 10, 'open@order.example'), (2, 1, 'desk', 20, null), (3, 2, 'bed', 30, null);
create table shop.notes (id int primary key, body text);
insert into shop.notes values (1, 'plain'), (2, 'mail me at found.me@hidden.example please'), (3, null);
create table shop.dump (a text, b text);
create domain shop.text as pg_catalog.text check (value like 'y%');
create table shop.made (id int, email text, made text generated always as (email || '!') stored, virtually text generated always as ('!' || email) virtual);
insert into shop.made values (1, 'part.one@hidden.example');
create view shop.contacts as select id, email as mail, upper(email) as loud, name from shop.customers;
create view shop.names as select id, name from shop.customers where email is not null;
create view shop.nested as select mail as address, id from shop.contacts;
create materialized view shop.frozen as select email as e, id from shop.customers;
create table shop.people (id int, email text) partition by range (id);
create table shop.people_1 partition of shop.people for values from (0) to (100);
insert into shop.people values (1, 'part.one@hidden.example');
create function shop.whisper() returns trigger language plpgsql as
  $$ begin raise exception 'cannot change %', old.email using errcode = '42501'; end $$;
create table shop.guarded (id int, email text);
insert into shop.guarded values (1, 'guard.ed@hidden.example');
create trigger t before update on shop.guarded for each row execute function shop.whisper();
create function shop.gossip() returns trigger language plpgsql as
  $$ begin raise notice 'it was %', (select email from shop.customers where id = 1); return new; end $$;
create trigger g before insert on shop.dump for each row execute function shop.gossip();
create table shop.ruled (id int);
create rule tells as on insert to shop.ruled do instead select email, upper(email) as up from shop.customers;
create table shop.late (id int);
insert into shop.late values (1);
alter table shop.late add column code text default 'late-hush-1';
alter table shop.late alter column code drop default;
grant usage, create on schema shop to ledger_app;
grant all on all tables in schema shop to ledger_app;
analyze shop.customers;
grant pg_read_all_stats to ledger_app;
`;

/** Values of masked columns, as they stand in the tables. */
const SECRETS = [
  'zoe.quill@hidden',
  'yan.marsh@hidden',
  'part.one@hidden',
  'guard.ed@hidden',
  '900-55-1234',
  '901-66-4321',
  '73519.42',
  '64208.17',
  '147038.84',
  '128416.34',
  '1984-07-09',
  '1979-12-30',
  'd3adb33f-1111',
  'cafebabe-aaaa',
  'meta-hush-1',
  'meta-hush-2',
  'tag-hush-1',
  'tag-hush-2',
  'late-hush-1',
  '88123457',
  '88123458',
  '10.77.66.55',
  '2019-03-04',
];

const reversed = (text: string): string => [...text].reverse().join('');

function bytesOf(size: number, write: (out: Buffer) => void): Buffer {
  const out = Buffer.alloc(size);
  write(out);
  return out;
}

/** Each of them in the forms in which a result could carry it. */
const FORMS: readonly Buffer[] = [
  ...SECRETS.flatMap((secret) => {
    const bytes = Buffer.from(secret);
    // In base64 it looks different behind one, two or three bytes, and its ends depend on its neighbours.
    const coded = [3, 1, 2].map((before) =>
      Buffer.concat([Buffer.alloc(before), bytes])
        .toString('base64')
        .slice(4, -4),
    );
    return [
      ...[secret, secret.toUpperCase(), reversed(secret), bytes.toString('hex')],
      ...coded.filter((text) => text.length >= 8),
    ].map((text) => Buffer.from(text));
  }),
  // 73519.42 and 64208.17 as numeric; 88123457 as int4; a day, an instant, an address and an identifier in binary.
  Buffer.from([0, 7, 0x0d, 0xbf, 0x10, 0x68]),
  Buffer.from([0, 6, 0x10, 0x70, 0x06, 0xa4]),
  bytesOf(4, (out) => out.writeInt32BE(88_123_457)),
  bytesOf(4, (out) => out.writeInt32BE((Date.UTC(1984, 6, 9) - Date.UTC(2000, 0, 1)) / 86_400_000)),
  bytesOf(8, (out) =>
    out.writeBigInt64BE(BigInt(Date.UTC(2019, 2, 4, 5, 6, 7) - Date.UTC(2000, 0, 1)) * 1000n),
  ),
  Buffer.from([10, 77, 66, 55]),
  Buffer.from('d3adb33f11114222', 'hex'),
];

/** What of the secrets is in there; null for nothing. */
export function leakIn(bytes: Buffer): string | null {
  const found = FORMS.find((form) => bytes.includes(form));
  return found === undefined ? null : `${found.toString('latin1')} (${found.toString('hex')})`;
}

export const MASKED_COLUMNS = [
  ...['email', 'ssn', 'salary', 'born', 'uid', 'meta', 'tags', 'points', 'last_ip', 'seen'].map(
    (column) => `shop.customers.${column}`,
  ),
  'shop.people.email',
  'shop.late.code',
  'shop.guarded.email',
  'shop.made.email',
];

/** Everything that a scope can give in the schema: what is refused is refused by masks. */
export const WIDE =
  'select, insert, update, delete, truncate, references, create, alter, drop, copy, lock, maintain on shop.*; create on shop.*; select on pg_catalog.*; create on pg_temp.*; select, insert on pg_temp.*; set on app.*; alter on shop.*';

export async function startShop(postgres: PostgresOptions = {}): Promise<Bank> {
  const bank = await Bank.start({}, postgres);
  try {
    const [server] = await bank.server.query<{ version: number }>(
      "select current_setting('server_version_num')::int as version",
    );
    // Before PostgreSQL 18 there were no virtual generated columns.
    const schema = (server?.version ?? 0) < 180_000 ? SCHEMA.replace(') virtual)', ') stored)') : SCHEMA;
    await bank.server.query(schema, bank.ledger.database);
    return bank;
  } catch (error) {
    // What was started would keep the tests from ending.
    await bank.stop();
    throw error;
  }
}

export async function mask(bank: Bank, rule: object): Promise<{ id: string; revision: number }> {
  return bank.postern.call('POST', '/v1/masks', { resource: 'ledger-db', ...rule });
}

export type { Bank, Credential };
