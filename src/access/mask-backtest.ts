/**
 * What a change of the mask rules would have made of what was let through: each class of statement is read again for the columns it
 * uses, and the rules as they are and as they would be are asked of each. What only the database knows is not known here (which columns `*`
 * has, views, what values are), and is said.
 */

import type { Transform } from '../core/masks.ts';
import type { Ref } from '../core/record.ts';
import type { MaskRuleView } from '../core/views.ts';
import { compileMasks, type MaskPlan } from '../masking/rules.ts';
import { ColumnReader } from '../protocols/postgres/columns-read.ts';

/** A class of statements of one principal on one resource. */
export interface SeenForMasks {
  readonly principal: Ref;
  readonly resource: Ref;
  /** `schema.table`, quoted where they must be. */
  readonly objects: readonly string[];
  readonly allowed: number;
  /** Record id of the last. */
  readonly lastAllowed: string | null;
}

export interface MaskBacktestRow {
  readonly principal: Ref;
  readonly resource: Ref;
  /** `schema.table.column`. */
  readonly column: string;
  readonly commands: number;
  /** `shown`, or `partial by contact, compared`: whether it may be compared. */
  readonly before: string;
  readonly after: string;
  readonly change: 'masked' | 'shown' | 'otherwise';
  readonly example: string | null;
}

export interface MaskBacktest {
  /** Commands that were let through in the time, and of how many classes. */
  readonly commands: number;
  readonly classes: number;
  /** Commands whose text is kept no more, or could not be read. */
  readonly unread: number;
  /** Commands that use all columns of a table of which a rule that changes could mask some: which those are only the database knows. */
  readonly wholeRows: number;
  /** Commands whose text the detectors would be others for: what they would find is not known. */
  readonly searched: number;
  /** Columns that come out otherwise, the most used first. */
  readonly rows: readonly MaskBacktestRow[];
}

const NO_KEY = new Uint8Array(32);
const ROWS_MAX = 5000;

/** @param before the rules in force, and `after` all that would be; those of single grants are not asked */
export async function maskBacktest(
  seen: Iterable<SeenForMasks>,
  before: readonly MaskRuleView[],
  after: readonly MaskRuleView[],
  statement: (record: string) => Promise<string | null>,
): Promise<MaskBacktest> {
  const reader = new ColumnReader();
  const [was, becomes] = [new Plans(before), new Plans(after)];
  const rows = new Map<string, MaskBacktestRow>();
  const total = { commands: 0, classes: 0, unread: 0, wholeRows: 0, searched: 0 };
  for (const { principal, resource, objects, allowed, lastAllowed } of seen) {
    if (allowed === 0) continue;
    total.commands += allowed;
    total.classes += 1;
    const [left, right] = [was.of(principal.id, resource.id), becomes.of(principal.id, resource.id)];
    // Nothing of the rules that hold here changes.
    if (left.key === right.key) continue;
    if (left.detectors !== right.detectors) total.searched += allowed;
    const uses = await reader.read(lastAllowed === null ? null : await statement(lastAllowed));
    if (uses === null) {
      total.unread += allowed;
      continue;
    }
    const counted = new Set<string>();
    let whole = false;
    for (const { schema, name, all, named, maybe } of uses) {
      for (const table of objects
        .map(partsOf)
        .filter((each) => each !== null && isCalled(each, schema, name))) {
        if (table === null) continue;
        whole ||= all;
        for (const column of [...named, ...maybe]) {
          const [a, b] = [left.words(table, column), right.words(table, column)];
          const key = JSON.stringify([principal.id, resource.id, table, column]);
          if (a === b || counted.has(key)) continue;
          counted.add(key);
          const known = rows.get(key);
          if (known === undefined && rows.size >= ROWS_MAX) continue;
          const change = a === SHOWN ? 'masked' : b === SHOWN ? 'shown' : 'otherwise';
          rows.set(key, {
            ...{ principal, resource, before: a, after: b, change },
            column: `${table.schema}.${table.name}.${column}`,
            commands: (known?.commands ?? 0) + allowed,
            example: known?.example ?? lastAllowed,
          });
        }
      }
    }
    if (whole) total.wholeRows += allowed;
  }
  return { ...total, rows: [...rows.values()].sort((a, b) => b.commands - a.commands) };
}

const SHOWN = 'shown';

interface Table {
  readonly schema: string;
  readonly name: string;
}

/** The rules that hold for a principal on a resource. */
interface Plan {
  /** Equal where the same rules hold. */
  readonly key: string;
  readonly detectors: string;
  words(table: Table, column: string): string;
}

class Plans {
  readonly #rules: readonly MaskRuleView[];
  readonly #plans = new Map<string, Plan>();

  constructor(rules: readonly MaskRuleView[]) {
    this.#rules = rules.filter(({ grantId, status }) => grantId === null && status === 'active');
  }

  of(principal: string, resource: string): Plan {
    const at = `${principal} ${resource}`;
    const known = this.#plans.get(at);
    if (known !== undefined) return known;
    const rules = this.#rules.filter(
      ({ principalId, resourceId }) =>
        (principalId === null || principalId === principal) &&
        (resourceId === null || resourceId === resource),
    );
    const plan = planOf(rules);
    this.#plans.set(at, plan);
    return plan;
  }
}

function planOf(rules: readonly MaskRuleView[]): Plan {
  const compiled: MaskPlan = compileMasks(rules, NO_KEY);
  return {
    key: JSON.stringify(rules.map(({ name, match, transform, probes }) => [name, match, transform, probes])),
    detectors: JSON.stringify(compiled.content.map(({ detectors, transform }) => [detectors, transform])),
    words: ({ schema, name }, column) => {
      const mask = compiled.forColumn(schema, name, column);
      if (mask === null) return SHOWN;
      return `${transformWords(mask.transform)} by ${mask.rule.name}${mask.probes === 'allow' ? ', compared' : ''}`;
    },
  };
}

function transformWords({ kind, ...details }: Transform): string {
  const given = Object.entries(details).map(([name, value]) => `${name} ${value}`);
  return given.length === 0 ? kind : `${kind} (${given.join(', ')})`;
}

/** Schema and name of an object as records have it; null for what has none. */
function partsOf(object: string): Table | null {
  const parts = [...object.matchAll(/"((?:[^"]|"")*)"|([^".]+)/g)].map(
    ([, quoted, bare]) => quoted?.replaceAll('""', '"') ?? bare ?? '',
  );
  const [schema, name] = parts;
  return parts.length === 2 && schema !== undefined && name !== undefined ? { schema, name } : null;
}

const isCalled = (table: Table, schema: string | null, name: string): boolean =>
  table.name === name && (schema === null || table.schema === schema);
