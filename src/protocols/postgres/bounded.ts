/** Whether a condition says which rows of a table are meant, for `requireWhere`: it must look at a column of that table. */
import { isTree } from './tree.ts';

/**
 * Whether `condition` looks at a column of the relation that is called `target` there. A name without a relation before it may be
 * one of the target's, but in a subquery only one that says so: `WHERE EXISTS (SELECT 1 FROM o WHERE x)` is about `o`.
 *
 * @param condition an expression of the parse tree, or nothing
 */
export function looksAt(condition: unknown, target: string): boolean {
  return mentions(condition, target, true);
}

function mentions(value: unknown, target: string, outside: boolean): boolean {
  if (Array.isArray(value)) return value.some((each) => mentions(each, target, outside));
  if (!isTree(value)) return false;
  return Object.entries(value).some(([type, body]) => {
    if (type === 'CurrentOfExpr') return true;
    if (type === 'ColumnRef' && isTree(body)) return isOf(body.fields, target, outside);
    // `x IN (SELECT ...)`: x stands outside.
    if (type === 'subselect') return mentions(body, target, false);
    return mentions(body, target, outside);
  });
}

/** `a`, `t.a` or `s.t.a`; a star counts as a column. */
function isOf(fields: unknown, target: string, outside: boolean): boolean {
  if (!Array.isArray(fields)) return false;
  if (fields.length < 2) return outside;
  const relation: unknown = fields.at(-2);
  return isTree(relation) && isTree(relation.String) && relation.String.sval === target;
}
