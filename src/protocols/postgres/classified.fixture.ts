/** How the tests write down what a statement touches: one line. */
import type { Access, Classified } from './classified.ts';

function describeAccess({ verb, kind, schema, name, beside }: Access): string {
  const dotted = `${schema ?? '?'}.${name}`;
  const written = {
    relation: dotted,
    function: `${dotted}()`,
    type: `type ${dotted}`,
    schema: `schema ${schema}`,
    channel: `#${name}`,
    setting: `${dotted}=`,
  }[kind];
  return `${verb} ${written}${beside === undefined ? '' : ` beside ${beside}`}`;
}

/** `[SELECT] select hr.t; calls lower`, or `[DROP TABLE] denied POSTERN_STATEMENT_UNSEEN`. */
export function describe(classified: Classified): string {
  const parts = classified.accesses.map(describeAccess);
  if (classified.calls.length > 0) parts.push(`calls ${classified.calls.join(' ')}`);
  if (classified.attributes.length > 0) parts.push(`dots ${classified.attributes.join(' ')}`);
  for (const effect of classified.effects)
    parts.push('name' in effect ? `${effect.op} ${effect.name}` : effect.op);
  parts.push(...classified.transaction);
  if (classified.copy !== null) parts.push(`copy ${classified.copy}`);
  if (classified.touchesSearchPath) parts.push('path changes');
  if (classified.changesCatalog) parts.push('catalog changes');
  const what = classified.denied === null ? parts.join('; ') : `denied ${classified.denied.code}`;
  return `[${classified.kinds.join(', ')}] ${what}`.trim();
}
