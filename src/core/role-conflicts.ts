/**
 * Separation of duties: no person has both roles of a pair. Who administers could make what an auditor is to find, and
 * who audits holds the keys with which evidence is judged.
 */
export const CONFLICTS: readonly (readonly [string, string, string])[] = [
  ['admin', 'auditor', 'who administers is not who audits'],
];

/** The pair of roles that one person must not have together, if there is one. */
export function conflictOf(roles: readonly string[]): (typeof CONFLICTS)[number] | undefined {
  return CONFLICTS.find(([a, b]) => roles.includes(a) && roles.includes(b));
}
