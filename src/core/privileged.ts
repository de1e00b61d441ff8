/** Verbs that change what others stand on, or that nobody can look into. */
export const PRIVILEGED_VERBS: ReadonlySet<string> = new Set([
  ...['truncate', 'create', 'alter', 'drop', 'execute', 'maintain', 'references'],
]);
