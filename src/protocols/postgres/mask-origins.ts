/** Where the columns of views and inherited tables come from, as far as masks ask: read beside the names of a database when a mask needs it. */

/** One column of a view: the table column that it is, as it is; `table` 0 for an expression. `column` 0 is the whole row. */
export interface ViewEntry {
  readonly number: number;
  readonly table: number;
  readonly column: number;
}

export interface ViewOrigin {
  /** OIDs of the relations that its query uses. */
  readonly uses: readonly number[];
  /** Of each of its columns at least the true one; columns of subqueries of the same number are among them. */
  readonly entries: readonly ViewEntry[];
}

export interface Origins {
  view(oid: number): ViewOrigin | undefined;
  /** OIDs of all parents and all children of a table, at any distance; not those of its siblings. */
  relatives(oid: number): readonly number[];
  /** Its generated columns, which COPY of a table leaves out, by number: the numbers of the columns that each is generated from. */
  generated(oid: number): ReadonlyMap<number, readonly number[]>;
}

/**
 * Rows: `v`, OID of the view, relations, entries; `i`, OID of the child, OID of the parent; `g`, OID of the table, number of a generated column, those that it is generated from. The stored form of a view's query names the
 * origin of each column that is one; reading it takes no lock, unlike `pg_get_viewdef`.
 */
export const ORIGINS_QUERY = `
select 'v', r.ev_class::pg_catalog.text,
    (select pg_catalog.json_agg(distinct d.refobjid::pg_catalog.int8)::pg_catalog.text from pg_catalog.pg_depend d
      where d.classid operator(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass and d.objid operator(pg_catalog.=) r.oid
        and d.refclassid operator(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
        and d.refobjid operator(pg_catalog.<>) r.ev_class),
    (select pg_catalog.json_agg(pg_catalog.json_build_array(m[1]::pg_catalog.int8, m[2]::pg_catalog.int8, m[3]::pg_catalog.int8))::pg_catalog.text
      from pg_catalog.regexp_matches(r.ev_action::pg_catalog.text,
        E':resno (\\\\d+) :resname (?:\\\\\\\\.|[^\\\\\\\\ ])+ :ressortgroupref \\\\d+ :resorigtbl (\\\\d+) :resorigcol (-?\\\\d+) ', 'g') m)
  from pg_catalog.pg_rewrite r join pg_catalog.pg_class c on c.oid operator(pg_catalog.=) r.ev_class
  join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace
  where r.rulename operator(pg_catalog.=) '_RETURN' and n.nspname operator(pg_catalog.<>) all ('{pg_catalog,information_schema}'::pg_catalog.name[])
union all
select 'i', i.inhrelid::pg_catalog.text, i.inhparent::pg_catalog.text, null from pg_catalog.pg_inherits i
union all
select 'g', a.attrelid::pg_catalog.text, a.attnum::pg_catalog.text,
    (select pg_catalog.json_agg(distinct d.refobjsubid)::pg_catalog.text from pg_catalog.pg_depend d
      where d.refclassid operator(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid operator(pg_catalog.=) a.attrelid
        and d.refobjsubid operator(pg_catalog.>) 0 and d.refobjsubid operator(pg_catalog.<>) a.attnum
        and (d.classid operator(pg_catalog.=) 'pg_catalog.pg_attrdef'::pg_catalog.regclass and d.objid operator(pg_catalog.=) f.oid
          or d.classid operator(pg_catalog.=) d.refclassid and d.objid operator(pg_catalog.=) a.attrelid
            and d.objsubid operator(pg_catalog.=) a.attnum))
  from pg_catalog.pg_attribute a
  join pg_catalog.pg_attrdef f on f.adrelid operator(pg_catalog.=) a.attrelid and f.adnum operator(pg_catalog.=) a.attnum
  where a.attnum operator(pg_catalog.>) 0 and not a.attisdropped and a.attgenerated operator(pg_catalog.<>) ''`;

const NONE: ReadonlyMap<number, readonly number[]> = new Map();

/** Builds the origins from the rows of `ORIGINS_QUERY`. */
export function originsFrom(rows: Iterable<readonly (string | null)[]>): Origins {
  const views = new Map<number, ViewOrigin>();
  const parents = new Map<number, number[]>();
  const children = new Map<number, number[]>();
  const generated = new Map<number, Map<number, readonly number[]>>();
  for (const [kind, oid, first, second] of rows) {
    if (kind === 'v') {
      const uses = JSON.parse(first ?? '[]') as number[];
      const entries = (JSON.parse(second ?? '[]') as [number, number, number][]).map(
        ([number, table, column]) => ({ number, table, column }),
      );
      views.set(Number(oid), { uses, entries });
    } else if (kind === 'g') {
      const made = generated.get(Number(oid)) ?? new Map<number, readonly number[]>();
      generated.set(Number(oid), made.set(Number(first), JSON.parse(second ?? '[]') as number[]));
    } else {
      push(parents, Number(oid), Number(first));
      push(children, Number(first), Number(oid));
    }
  }
  return {
    view: (oid) => views.get(oid),
    relatives: (oid) => [...reach(parents, oid), ...reach(children, oid)],
    generated: (oid) => generated.get(oid) ?? NONE,
  };
}

function push(map: Map<number, number[]>, key: number, value: number): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

function reach(steps: ReadonlyMap<number, readonly number[]>, from: number): Set<number> {
  const found = new Set<number>();
  const left = [from];
  for (let oid = left.pop(); oid !== undefined; oid = left.pop()) {
    for (const next of steps.get(oid) ?? []) {
      if (found.has(next)) continue;
      found.add(next);
      left.push(next);
    }
  }
  return found;
}
