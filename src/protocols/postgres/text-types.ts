/** PostgreSQL's own types of text, to which no cast can fail: so nothing else may be made that goes by such a name. */
export const TEXT_TYPES: ReadonlySet<string> = new Set(['text', 'varchar', 'bpchar']);
