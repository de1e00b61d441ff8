import { PosternError } from '../core/errors.ts';
import type { Change } from '../store/changes.ts';
import type { Directory, Group, Person } from '../store/entities.ts';
import { listDirectoryPersons } from '../store/people-queries.ts';
import type { StateDb } from '../store/store.ts';
import { activeAdmins } from './persons.ts';
import { checkRoles, joinRoles, rolesOfGroups } from './roles.ts';

/**
 * The changes to people that follow from groups and what they give: the roles given by hand and those of one's groups.
 *
 * @param groups all that the directory has, as they are to be
 * @throws PosternError POSTERN_CONFLICT for roles that do not go together, or where nobody would administer any more
 */
export async function rolesFrom(
  db: StateDb,
  directory: Directory,
  groups: readonly Group[],
  reason: string,
): Promise<Change[]> {
  const names = new Map<string, string[]>();
  for (const { name, members } of groups) {
    for (const id of members) names.set(id, [...(names.get(id) ?? []), name]);
  }
  const mapping = directory.status === 'active' ? directory.groups : {};
  const changes: (Change & { readonly after: Person })[] = [];
  for (const before of await listDirectoryPersons(db, directory.id)) {
    const given = before.directory?.given ?? [];
    const roles = joinRoles(given, rolesOfGroups(mapping, names.get(before.id) ?? []));
    if (roles.join() === before.roles.join()) continue;
    const after: Person = { ...before, roles: checkRoles(roles) };
    changes.push({ type: 'person.updated', entity: 'person', before, after, reason });
  }
  await keepSomeAdmin(
    db,
    changes.map(({ after }) => after),
  );
  return changes;
}

/** Refuses changes after which nobody administers. @throws PosternError POSTERN_CONFLICT */
export async function keepSomeAdmin(db: StateDb, changed: readonly Person[]): Promise<void> {
  const admins = await activeAdmins(db);
  const after = new Map(changed.map((person) => [person.id, person]));
  const stays = ({ id }: Person): boolean => {
    const now = after.get(id);
    return now === undefined || (now.status === 'active' && now.roles.includes('admin'));
  };
  if (admins.length === 0 || admins.some(stays)) return;
  throw new PosternError(
    'POSTERN_CONFLICT',
    'After this nobody would administer any more.',
    'Make another administrator first.',
  );
}
