/**
 * Texts that PostgreSQL's own tools send and that the classifier cannot follow, with the same said so that it can. Only what
 * is examined is exchanged: the tool's own text is recorded and forwarded.
 */

/**
 * What pg_dump runs first, where the server has the setting: the name of the setting comes from a row that can hold only that name.
 *
 * @see https://www.postgresql.org/docs/18/runtime-config-client.html#GUC-RESTRICT-NONSYSTEM-RELATION-KIND
 */
const SETTING = 'restrict_nonsystem_relation_kind';
const restrict = (name: string, kinds: string): string =>
  `SELECT set_config(${name}, '${kinds}', false) FROM pg_settings WHERE name = '${SETTING}'`;

const PLAIN_TEXTS: ReadonlyMap<string, string> = new Map(
  ['view, foreign-table', 'view'].map((kinds) => [restrict('name', kinds), restrict(`'${SETTING}'`, kinds)]),
);

/** What to examine in place of a text: itself, unless it is one of those, letter for letter. */
export function textToExamine(sql: string): string {
  return PLAIN_TEXTS.get(sql) ?? sql;
}
