/** Which columns of a database are masked, for one set of rules. */
import { type Probes, TRANSFORMS } from '../../core/masks.ts';
import { MaskKey } from '../../masking/key.ts';
import type { CompiledMask, MaskPlan } from '../../masking/rules.ts';
import { type Relation, SYSTEM_COLUMNS } from './columns.ts';
import type { Origins } from './mask-origins.ts';
import { maskType } from './mask-types.ts';
import type { RelationCatalog } from './names.ts';

/** A masked column. One object for each: they are compared by identity. */
export interface Masked {
  /** `schema.table.column` */
  readonly column: string;
  readonly mask: CompiledMask;
  /** Its values may be arrays, of which not all go together. */
  readonly shaped: boolean;
}

/** The masked columns of one relation. */
export interface RelationMasks {
  readonly byNumber: ReadonlyMap<number, Masked>;
  readonly byName: ReadonlyMap<string, Masked>;
  readonly all: ReadonlySet<Masked>;
  /** Reading it may read a masked column: its own, or one that a view only compares. */
  readonly touches: boolean;
}

export const NO_MASKS: ReadonlySet<Masked> = new Set();

const NOTHING_USED = { masked: NO_MASKS, touches: false };

/** Statistics hold samples of values; what tells whose they are does not. */
const STATISTICS: ReadonlySet<string> = new Set([
  'pg_statistic',
  'pg_stats',
  'pg_statistic_ext_data',
  'pg_stats_ext',
  'pg_stats_ext_exprs',
]);
const SYSTEM: ReadonlySet<string> = new Set(['pg_catalog', 'information_schema']);
const STATISTICS_OPEN =
  /^(schemaname|tablename|attname|inherited|statistics_|sta(relid|attnum|inherit)$|stx)/;

/** Whether a column of the system's own holds values of others' columns. */
function showsValues(table: string, column: string): boolean {
  // What rows have that are older than a column: a value, once evaluated, whatever the default is now.
  if (table === 'pg_attribute') return column === 'attmissingval';
  return STATISTICS.has(table) && !STATISTICS_OPEN.test(column);
}

export class ColumnMasks {
  readonly plan: MaskPlan;
  /** For what cannot be traced: nothing of it is shown. */
  readonly unseen: Masked;
  readonly #catalog: RelationCatalog;
  readonly #origins: Origins;
  readonly #known = new Map<number, RelationMasks>();
  readonly #named = new Map<string, Masked>();
  readonly #whole = new Map<Masked, Masked>();
  /** Those whose own rule lets probes through, where another one on the same column does not. */
  readonly #closed = new Map<Masked, Masked>();
  readonly #inProgress = new Set<number>();

  constructor(plan: MaskPlan, catalog: RelationCatalog, origins: Origins, key: Uint8Array) {
    this.plan = plan;
    this.#catalog = catalog;
    this.#origins = origins;
    const rule = { id: '', name: 'unseen', revision: 0 };
    const probes: Probes = 'deny';
    this.unseen = {
      ...{ column: '?', shaped: true },
      mask: { rule, transform: { kind: 'redact' }, probes, domain: 'column', key: new MaskKey(key) },
    };
  }

  /** @param relation one of the catalogue */
  of(relation: Relation): RelationMasks {
    const known = this.#known.get(relation.oid);
    if (known !== undefined) return known;
    // A view that uses itself is none: what cannot be followed is masked.
    if (this.#inProgress.has(relation.oid)) return this.#everything(relation);
    this.#inProgress.add(relation.oid);
    const byNumber = new Map<number, Masked>();
    const byName = new Map<string, Masked>();
    for (const { number, name, type } of relation.columns) {
      const masked = this.#column(relation, number, name, type);
      if (masked === null) continue;
      byNumber.set(number, masked);
      byName.set(name, masked);
    }
    const all = byName.size === 0 ? NO_MASKS : new Set(byName.values());
    const touches = all.size > 0 || this.#used(relation).touches;
    const masks = { byNumber, byName, all, touches };
    this.#inProgress.delete(relation.oid);
    this.#known.set(relation.oid, masks);
    return masks;
  }

  /** Names of the columns that COPY of the table leaves out. */
  generated(relation: Relation): ReadonlySet<string> {
    const made = this.#origins.generated(relation.oid);
    return new Set(relation.columns.filter(({ number }) => made.has(number)).map(({ name }) => name));
  }

  /** A column of a relation that the catalogue may not know. @param type OID, 0 where it is not known */
  named(schema: string, table: string, column: string, type = 0): Masked | null {
    if (SYSTEM_COLUMNS.has(column)) return null;
    const mask = this.plan.forColumn(schema, table, column);
    return mask === null ? null : this.#make(`${schema}.${table}.${column}`, mask, type);
  }

  /** The same column, of which nothing may be shown. */
  whole(masked: Masked): Masked {
    const { transform } = masked.mask;
    if (transform.kind === 'redact' || transform.kind === 'null') return masked;
    let whole = this.#whole.get(masked);
    if (whole === undefined) {
      whole = { ...masked, mask: { ...masked.mask, transform: { kind: 'redact' } } };
      this.#whole.set(masked, whole);
    }
    return whole;
  }

  #column(relation: Relation, number: number, name: string, type: number): Masked | null {
    const { schema, name: table, oid, kind } = relation;
    if (schema === 'pg_catalog') return showsValues(table, name) ? this.unseen : null;
    let masked = this.named(schema, table, name, type);
    if (kind === 'v' || kind === 'm') return this.#stricter(masked, this.#viewColumn(relation, number));
    // A row of the parent may be one of the child, and one of the child is one of the parent.
    for (const relative of this.#origins.relatives(oid)) {
      const other = this.#catalog.relationByOid(relative);
      if (other?.column(name) !== undefined) {
        masked = this.#stricter(masked, this.named(other.schema, other.name, name, type));
      }
    }
    // What is generated from a masked column tells of it.
    for (const source of this.#origins.generated(oid).get(number) ?? []) {
      const from = relation.columns.find((each) => each.number === source);
      const read = from === undefined ? this.unseen : this.#column(relation, source, from.name, from.type);
      if (read !== null) masked = this.#stricter(masked, this.whole(read));
    }
    return masked;
  }

  #viewColumn(view: Relation, number: number): Masked | null {
    const [first] = this.#used(view).masked;
    const origin = this.#origins.view(view.oid);
    if (first === undefined || origin === undefined) return first ?? null;
    let result: Masked | null | undefined;
    for (const entry of origin.entries) {
      if (entry.number !== number) continue;
      const one = this.#entry(entry.table, entry.column, first);
      if (result === undefined) result = one;
      else if (result !== one) return this.whole(result ?? one ?? first);
    }
    return result === undefined ? this.whole(first) : result;
  }

  /** Masked columns of all that a view reads, and whether there are any at whatever depth. */
  #used(view: Relation): { readonly masked: ReadonlySet<Masked>; readonly touches: boolean } {
    if ((view.kind !== 'v' && view.kind !== 'm') || SYSTEM.has(view.schema)) return NOTHING_USED;
    const origin = this.#origins.view(view.oid);
    // A view that has come since: what it reads is not known.
    if (origin === undefined) return { masked: new Set([this.unseen]), touches: true };
    const masked = new Set<Masked>();
    let touched = false;
    for (const oid of origin.uses) {
      const relation = this.#catalog.relationByOid(oid);
      if (relation === undefined) masked.add(this.unseen);
      else {
        const { all, touches } = this.of(relation);
        for (const each of all) masked.add(each);
        touched ||= touches;
      }
    }
    return { masked, touches: touched || masked.size > 0 };
  }

  /** @param otherwise what an expression may be of */
  #entry(table: number, column: number, otherwise: Masked): Masked | null {
    const relation = this.#catalog.relationByOid(table);
    if (table === 0 || relation === undefined) return this.whole(otherwise);
    const masks = this.of(relation);
    if (column !== 0) return masks.byNumber.get(column) ?? null;
    const [any] = masks.all;
    return any === undefined ? null : this.whole(any);
  }

  #everything(relation: Relation): RelationMasks {
    const byNumber = new Map(relation.columns.map(({ number }) => [number, this.unseen]));
    const byName = new Map(relation.columns.map(({ name }) => [name, this.unseen]));
    return { byNumber, byName, all: new Set([this.unseen]), touches: true };
  }

  #make(column: string, mask: CompiledMask, type: number): Masked {
    const known = this.#named.get(column);
    if (known !== undefined) return known;
    const { name } = maskType(type);
    const made = { column, mask, shaped: name === '' || name.startsWith('_') };
    this.#named.set(column, made);
    return made;
  }

  /** Where two masks meet on a column, the stricter transform holds, and probes are let through by both or not at all. */
  #stricter(a: Masked | null, b: Masked | null): Masked | null {
    if (a === null || b === null) return a ?? b;
    const rank = ({ mask }: Masked): number => TRANSFORMS.indexOf(mask.transform.kind);
    const [chosen, other] = rank(b) < rank(a) ? [b, a] : [a, b];
    if (chosen.mask.probes === other.mask.probes || chosen.mask.probes === 'deny') return chosen;
    let closed = this.#closed.get(chosen);
    if (closed === undefined) {
      closed = { ...chosen, mask: { ...chosen.mask, probes: 'deny' } };
      this.#closed.set(chosen, closed);
    }
    return closed;
  }
}
