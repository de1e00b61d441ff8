import { PosternError } from '../../core/errors.ts';
import { QUERY_TIMES, type Query, type QueryTime } from './types.ts';

/** What makes an answer depend on when or where it is asked; an assessment is to come out the same everywhere. */
const UNSTEADY =
  /\bnow\b|\bcurrent_(?:time|date|timestamp)\b|\b(?:random|randomblob)\s*\(|\b(?:date|time|datetime|julianday|unixepoch|strftime)\s*\(\s*\)/i;
const LONGEST = 16_384;
const NAME = /^[a-z][a-z0-9-]{0,99}$/;
/** Headings of a query file. */
const HEADING = /^--[ \t]*(when|populations|parameters|examined|rows):[ \t]*(.*)$/;

/**
 * Reads a query file: comment lines that say what it needs, then the two statements, each behind its heading.
 *
 * @throws PosternError POSTERN_INVALID with the line
 */
export function readQueryFile(id: string, text: string): Query {
  const file = `${id}.sql`;
  const said = new Map<string, string>();
  let part: string | null = null;
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const [, name, rest = ''] = HEADING.exec(line) ?? [];
    if (name !== undefined) {
      if (said.has(name)) throw invalid(`${file}:${index + 1}: ${name} is said twice`);
      said.set(name, rest.trim());
      part = name === 'examined' || name === 'rows' ? name : null;
    } else if (part !== null) {
      said.set(part, `${said.get(part) ?? ''}\n${line}`);
    } else if (line.trim() !== '' && !line.startsWith('--')) {
      throw invalid(`${file}:${index + 1}: a statement stands behind "-- examined:" or "-- rows:"`);
    }
  }
  for (const name of ['when', 'populations', 'examined', 'rows'])
    if (!said.has(name)) throw invalid(`${file}: it does not say "-- ${name}:"`);
  return checkQuery(
    {
      id,
      when: (said.get('when') ?? '') as QueryTime,
      populations: names(said.get('populations')),
      parameters: names(said.get('parameters')),
      examined: (said.get('examined') ?? '').trim(),
      rows: (said.get('rows') ?? '').trim(),
    },
    file,
  );
}

/**
 * Checks a query for what can be seen without a database. What it may do is held by the database itself.
 *
 * @param where what the messages call it
 * @throws PosternError POSTERN_INVALID
 */
export function checkQuery(query: Query, where: string): Query {
  if (!NAME.test(query.id) && !/^[\p{L}_][\p{L}\p{N}._-]{0,199}$/u.test(query.id))
    throw invalid(`${where}: "${query.id}" is no name`);
  if (!QUERY_TIMES.includes(query.when))
    throw invalid(`${where}: when must be one of ${QUERY_TIMES.join(', ')}`);
  const checked = { ...query, examined: oneStatement(query.examined), rows: oneStatement(query.rows) };
  for (const [name, sql] of [
    ['examined', checked.examined],
    ['rows', checked.rows],
  ] as const) {
    if (sql === '') throw invalid(`${where}: ${name} has no statement`);
    if (Buffer.byteLength(sql) > LONGEST) throw invalid(`${where}: ${name} is longer than ${LONGEST} bytes`);
    if (!/^(?:select|with|values)\b/i.test(withoutComments(sql)))
      throw invalid(`${where}: ${name} must be one query, beginning with select or with`);
    // SQLite would ask the first alone, and say nothing of the others.
    if (
      withoutComments(sql)
        .replace(/'(?:[^']|'')*'|"[^"]*"/g, '')
        .includes(';')
    )
      throw invalid(`${where}: ${name} must be one query`);
    const unsteady = UNSTEADY.exec(withoutComments(sql))?.[0];
    if (unsteady !== undefined)
      throw invalid(`${where}: ${name} uses "${unsteady}": it must come out the same whenever it is asked`);
  }
  return checked;
}

function oneStatement(sql: string): string {
  return sql.trim().replace(/;\s*$/, '');
}

function withoutComments(sql: string): string {
  return sql.replace(/--[^\n]*|\/\*[\s\S]*?\*\//g, ' ').trim();
}

function names(text: string | undefined): readonly string[] {
  return (text ?? '').split(/[\s,]+/).filter((name) => name !== '' && name !== 'none');
}

function invalid(message: string): PosternError {
  return new PosternError('POSTERN_INVALID', message);
}
