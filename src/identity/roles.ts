/** Roles of people: which there are, which nobody has together, and those that come with groups. */
import { PosternError } from '../core/errors.ts';
import { conflictOf } from '../core/role-conflicts.ts';
import { type GroupRoles, type Person, ROLES, type Role } from '../store/entities.ts';
import { findDirectory, listGroups } from '../store/people-queries.ts';
import type { StateDb } from '../store/store.ts';
import { checkText } from './input.ts';

/**
 * Roles in the one order in which they are kept.
 *
 * @throws PosternError POSTERN_INVALID for unknown or repeated ones; POSTERN_CONFLICT where they do not go together
 */
export function checkRoles(roles: readonly Role[]): Role[] {
  const known = ROLES.filter((role) => roles.includes(role));
  if (known.length !== roles.length) {
    throw new PosternError('POSTERN_INVALID', `The roles are ${ROLES.join(', ')}, each once.`);
  }
  const conflict = conflictOf(known);
  if (conflict !== undefined) {
    const [a, b, why] = conflict;
    throw new PosternError(
      'POSTERN_CONFLICT',
      `Nobody is ${a} and ${b}: ${why}.`,
      'Give one of the roles to somebody else.',
    );
  }
  return known;
}

const MOST_GROUPS = 200;

/** What groups give, checked. @throws PosternError as `checkRoles` */
export function checkGroupRoles(groups: GroupRoles): GroupRoles {
  const entries = Object.entries(groups);
  if (entries.length > MOST_GROUPS) {
    throw new PosternError('POSTERN_INVALID', `At most ${MOST_GROUPS} groups give roles.`);
  }
  return Object.fromEntries(
    entries.map(([group, roles]) => [checkText(group, 'name of a group', 200), checkRoles(roles)]),
  );
}

/** The union, in the one order. */
export const joinRoles = (...lists: readonly (readonly Role[])[]): Role[] =>
  ROLES.filter((role) => lists.some((list) => list.includes(role)));

/** The roles that groups give, by their names. */
export function rolesOfGroups(mapping: GroupRoles, groups: readonly string[]): Role[] {
  const lists = groups.map((group) => (Object.hasOwn(mapping, group) ? (mapping[group] ?? []) : []));
  return joinRoles(...lists);
}

/** The roles that the groups of their directory give a person now. */
export async function directoryRoles(db: StateDb, person: Person): Promise<Role[]> {
  if (person.directory === null) return [];
  const directory = await findDirectory(db, person.directory.id);
  if (directory?.status !== 'active') return [];
  const groups = await listGroups(db, directory.id);
  const own = groups.filter(({ members }) => members.includes(person.id));
  return rolesOfGroups(
    directory.groups,
    own.map(({ name }) => name),
  );
}
