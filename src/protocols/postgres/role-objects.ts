/** What the database says of the objects that privileges are given on, beyond its names (`names.ts`). */
import type { AdminConnection } from './admin-connection.ts';
import type { Routine } from './role-privileges.ts';

/** Sequences that belong to a column, by the OID of its table. */
export async function ownedSequences(connection: AdminConnection): Promise<Map<number, string[]>> {
  const rows = await connection.run(
    `select d.refobjid, pg_catalog.format('%I.%I', n.nspname, c.relname)
       from pg_catalog.pg_depend d
       join pg_catalog.pg_class c on c.oid = d.objid and c.relkind = 'S'
       join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where d.classid = 'pg_catalog.pg_class'::regclass and d.refclassid = 'pg_catalog.pg_class'::regclass
        and d.deptype in ('a', 'i')`,
  );
  const byTable = new Map<number, string[]>();
  for (const [table, sequence] of rows) {
    const list = byTable.get(Number(table));
    if (list === undefined) byTable.set(Number(table), [sequence ?? '']);
    else list.push(sequence ?? '');
  }
  return byTable;
}

/** The routines outside the system's own schemas. */
export async function routines(connection: AdminConnection): Promise<Routine[]> {
  const rows = await connection.run(
    `select p.oid, n.nspname, p.proname, p.oid::pg_catalog.regprocedure
       from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
      where n.nspname not in ('pg_catalog', 'information_schema')`,
  );
  return rows.map(([oid, schema, name, signature]) => ({
    oid: oid ?? '',
    schema: schema ?? '',
    name: name ?? '',
    signature: signature ?? '',
  }));
}
