import type { CredentialView, PrincipalView } from '../../core/views.ts';
import type { Directory } from '../contract.ts';
import { openGrants, Refused } from '../door.ts';

/** @see https://www.postgresql.org/docs/18/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS */
const MAX_NAME_BYTES = 63;

/**
 * The resource, database and grants that a connection is for: the database's name is `RESOURCE` or `RESOURCE/DATABASE`.
 *
 * @param parameters of the startup packet
 * @param source of the client, `address:port`
 * @throws Refused when no grant of the principal is active there, with what the principal may know of why
 */
export function openTo(
  directory: Directory,
  parameters: ReadonlyMap<string, string>,
  principal: PrincipalView,
  credential: CredentialView,
  source: string,
) {
  const asked = parameters.get('database') ?? parameters.get('user') ?? '';
  const slash = asked.indexOf('/');
  const name = slash === -1 ? asked : asked.slice(0, slash);
  const hint = 'The database name is RESOURCE or RESOURCE/DATABASE.';
  const { resource, grants } = openGrants(directory, 'postgres', name, principal, credential, source, hint);
  const database = slash === -1 ? resource.database : asked.slice(slash + 1);
  // PostgreSQL would take another name: that of the user for none, the beginning for one that is too long.
  if (database === '' || Buffer.byteLength(database) > MAX_NAME_BYTES)
    throw new Refused(
      'POSTERN_RESOURCE_UNKNOWN',
      `no database can have the name that follows ${name}/`,
      principal,
      resource,
    );
  return { resource, database, grants };
}
