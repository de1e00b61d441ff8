import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import type { Change, ChangeLog } from '../store/changes.ts';
import type { Directory, Group, Person } from '../store/entities.ts';
import {
  findDirectory,
  findGroup,
  findIdentityProvider,
  listDirectoryPersons,
  listGroups,
} from '../store/people-queries.ts';
import { findPerson, found } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { keepSomeAdmin, rolesFrom } from './directory-roles.ts';
import { checkText } from './input.ts';
import { checkEmail, checkPersonName, endAccess, freeEmail } from './persons.ts';
import { checkRoles } from './roles.ts';

const MOST_MEMBERS = 20_000;
const MOST_GROUPS = 5000;

/** What a directory says of somebody. */
export interface DirectoryUser {
  readonly userName: string;
  readonly externalId: string | null;
  readonly name: string;
  readonly email: string;
  readonly active: boolean;
}

export interface DirectoryGroup {
  readonly name: string;
  readonly externalId: string | null;
  /** Ids of people that the directory has told of. */
  readonly members: readonly string[];
}

/** Joiners and leavers, as a directory tells of them. It reaches nobody that it has not told of itself. */
export class DirectoryPeople {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;

  constructor(db: StateDb, changes: ChangeLog) {
    this.#db = db;
    this.#changes = changes;
  }

  async list(directory: Directory): Promise<Person[]> {
    return (await listDirectoryPersons(this.#db, directory.id)).filter(isKnown);
  }

  groups(directory: Directory): Promise<Group[]> {
    return listGroups(this.#db, directory.id);
  }

  get(directory: Directory, id: string): Promise<Person> {
    return own(this.#db, directory, id);
  }

  group(directory: Directory, id: string): Promise<Group> {
    return ownGroup(this.#db, directory, id);
  }

  /**
   * Somebody joins. Who is here already by hand, with the same address, is taken over and keeps the roles that they have.
   *
   * @throws PosternError POSTERN_CONFLICT when the directory has told of them before, or another one has
   */
  add(directory: Directory, input: DirectoryUser): Promise<Person> {
    return this.#changes.run(actorOf(directory), async (db) => {
      await still(db, directory);
      const says = checked(input);
      const all = await listDirectoryPersons(db, directory.id);
      requireFreeName(all, says.userName, null);
      const here = await findPerson(db, says.email);
      if (here !== undefined && isKnown(here) && (await isToldOf(db, here))) {
        throw new PosternError(
          'POSTERN_CONFLICT',
          `Another login or directory tells of ${says.email} already.`,
        );
      }
      const { id, name } = directory;
      const { userName, externalId, active } = says;
      const state = active ? 'present' : 'absent';
      const of = { id, name, userName, externalId, state, given: here?.roles ?? [] } as const;
      if (here !== undefined) return turned(db, directory, here, { ...here, name: says.name, directory: of });
      const why = `told of by ${name}`;
      const after: Person = {
        id: uuidv7(),
        name: says.name,
        email: await freeEmail(db, says.email),
        roles: [],
        status: active ? 'active' : 'disabled',
        statusReason: active ? null : why,
        createdAt: rfc3339(nowMicros()),
        directory: of,
      };
      return {
        changes: [{ type: 'person.created', entity: 'person', before: null, after, reason: why }],
        result: after,
      };
    });
  }

  /** What is said of somebody now. Who is not active any more leaves; who was disabled by a person stays disabled. */
  replace(directory: Directory, id: string, input: DirectoryUser): Promise<Person> {
    return this.#changes.run(actorOf(directory), async (db) => {
      await still(db, directory);
      const before = await own(db, directory, id);
      const says = checked(input);
      requireFreeName(await listDirectoryPersons(db, directory.id), says.userName, id);
      const email = await freeEmail(db, says.email, id);
      const { userName, externalId } = says;
      const state = says.active ? 'present' : 'absent';
      const of = { ...before.directory, userName, externalId, state } as const;
      return turned(db, directory, before, { ...before, name: says.name, email, directory: of });
    });
  }

  /** Somebody left. The person stays, disabled, since the log is full of them. */
  async remove(directory: Directory, id: string): Promise<void> {
    await this.#changes.run(actorOf(directory), async (db) => {
      await still(db, directory);
      const before = await own(db, directory, id);
      const { given } = before.directory;
      // The name is free again: the directory may tell of the same person anew.
      const of = {
        ...before.directory,
        userName: `deleted ${id}`,
        externalId: null,
        state: 'deleted',
      } as const;
      const plan = await turned(db, directory, before, { ...before, roles: given, directory: of });
      return { ...plan, changes: [...(await withoutMember(db, directory, id)), ...plan.changes] };
    });
  }

  addGroup(directory: Directory, input: DirectoryGroup): Promise<Group> {
    return this.#changeGroup(directory, null, input);
  }

  replaceGroup(directory: Directory, id: string, input: DirectoryGroup): Promise<Group> {
    return this.#changeGroup(directory, id, input);
  }

  async removeGroup(directory: Directory, id: string): Promise<void> {
    await this.#changes.run(actorOf(directory), async (db) => {
      const now = await still(db, directory);
      const before = await ownGroup(db, directory, id);
      const after: Group = { ...before, status: 'removed', members: [], updatedAt: rfc3339(nowMicros()) };
      const others = (await listGroups(db, directory.id)).filter((group) => group.id !== id);
      const people = await rolesFrom(db, now, others, `group ${before.name} removed`);
      const change: Change = { type: 'group.removed', entity: 'group', before, after };
      return { changes: [change, ...people], result: undefined };
    });
  }

  #changeGroup(directory: Directory, id: string | null, input: DirectoryGroup): Promise<Group> {
    return this.#changes.run(actorOf(directory), async (db) => {
      const now = await still(db, directory);
      const before = id === null ? null : await ownGroup(db, directory, id);
      const name = checkText(input.name, 'name of the group', 200);
      const groups = await listGroups(db, directory.id);
      const others = groups.filter((group) => group.id !== id);
      if (others.some((group) => group.name.toLowerCase() === name.toLowerCase())) {
        throw new PosternError('POSTERN_CONFLICT', `There is a group ${JSON.stringify(name)} already.`);
      }
      if (others.length >= MOST_GROUPS)
        throw new PosternError('POSTERN_CONFLICT', 'There are too many groups.');
      const members = await membersOf(db, directory, input.members);
      const at = rfc3339(nowMicros());
      const after: Group = {
        id: before?.id ?? uuidv7(),
        name,
        directory: { id: directory.id, name: directory.name },
        externalId: input.externalId,
        members,
        status: 'active',
        createdAt: before?.createdAt ?? at,
        updatedAt: at,
      };
      if (before !== null && sameGroup(before, after)) return { changes: [], result: before };
      const people = await rolesFrom(db, now, [...others, after], `group ${name}`);
      const change: Change =
        before === null
          ? { type: 'group.created', entity: 'group', before, after }
          : { type: 'group.updated', entity: 'group', before, after };
      return { changes: [change, ...people], result: after };
    });
  }
}

/** Whether what tells of a person, a directory or a provider whose groups give roles, is still there. */
async function isToldOf(db: StateDb, { directory }: Person): Promise<boolean> {
  if (directory === null) return false;
  const teller = (await findDirectory(db, directory.id)) ?? (await findIdentityProvider(db, directory.id));
  return teller?.status === 'active';
}

/** Whether the directory of a person knows them (still). */
const isKnown = ({ directory }: Person): boolean => directory !== null && directory.state !== 'deleted';

/** The changes from one to the other: what is said of somebody, and that they left or came back, as a record of its own. */
async function turned(
  db: StateDb,
  directory: Directory,
  before: Person,
  said: Person,
): Promise<{ changes: Change[]; result: Person; beside?: (tx: StateDb) => Promise<void> }> {
  const comes = said.directory?.state === 'present';
  const was = before.directory === null || before.directory.state === 'present';
  // Whom a person has disabled the directory does not bring back by telling that they are there.
  const turns = comes ? !was && before.status === 'disabled' : before.status === 'active';
  if (!turns) {
    await keepSomeAdmin(db, [said]);
    return { changes: same(before, said) ? [] : [updated(directory, before, said)], result: said };
  }
  const { name } = directory;
  const reason = comes ? `is back in ${name}` : `left ${name}`;
  const after: Person = { ...said, status: comes ? 'active' : 'disabled', statusReason: reason };
  checkRoles(comes ? after.roles : []);
  await keepSomeAdmin(db, [after]);
  const type = comes ? 'person.enabled' : 'person.disabled';
  const change: Change = { type, entity: 'person', before, after, reason };
  return {
    changes: [change],
    result: after,
    ...(!comes && { beside: (tx: StateDb) => endAccess(tx, before.id) }),
  };
}

const same = (a: Person, b: Person): boolean => JSON.stringify(a) === JSON.stringify(b);

const updated = ({ name }: Directory, before: Person, after: Person): Change => ({
  type: 'person.updated',
  entity: 'person',
  before,
  after,
  reason: `told of by ${name}`,
});

/** Takes somebody out of all groups. */
async function withoutMember(db: StateDb, { id: directoryId }: Directory, id: string): Promise<Change[]> {
  const updatedAt = rfc3339(nowMicros());
  const groups = await listGroups(db, directoryId);
  return groups
    .filter(({ members }) => members.includes(id))
    .map((before) => {
      const after: Group = { ...before, members: before.members.filter((one) => one !== id), updatedAt };
      return { type: 'group.updated', entity: 'group', before, after };
    });
}

function checked(input: DirectoryUser): DirectoryUser {
  return {
    userName: checkText(input.userName, 'userName', 320),
    externalId: input.externalId === null ? null : checkText(input.externalId, 'externalId', 320),
    name: checkPersonName(input.name),
    email: checkEmail(input.email),
    active: input.active,
  };
}

/** A userName is one person's, whatever its case (RFC 7643 section 4.1.1). */
function requireFreeName(all: readonly Person[], userName: string, id: string | null): void {
  const lower = userName.toLowerCase();
  if (all.some((person) => person.id !== id && person.directory?.userName.toLowerCase() === lower)) {
    throw new PosternError('POSTERN_CONFLICT', `There is a user ${JSON.stringify(userName)} already.`);
  }
}

async function own(
  db: StateDb,
  directory: Directory,
  id: string,
): Promise<Person & { readonly directory: NonNullable<Person['directory']> }> {
  const person = await findPerson(db, /^[0-9a-f-]{36}$/.test(id) ? id : '@');
  const of = person?.directory;
  if (!person || !of || of.id !== directory.id || of.state === 'deleted')
    return found<never>(undefined, 'user', id);
  return { ...person, directory: of };
}

async function ownGroup(db: StateDb, directory: Directory, id: string): Promise<Group> {
  const group = await findGroup(db, id);
  if (group?.status !== 'active' || group.directory.id !== directory.id)
    return found<never>(undefined, 'group', id);
  return group;
}

/** The directory as it is now: what its groups give may have changed since the call began. */
async function still(db: StateDb, { id }: Directory): Promise<Directory> {
  const directory = await findDirectory(db, id);
  if (directory?.status === 'active') return directory;
  throw new PosternError('POSTERN_UNAUTHORIZED', 'The directory was removed.');
}

async function membersOf(db: StateDb, directory: Directory, ids: readonly string[]): Promise<string[]> {
  const members = [...new Set(ids)].sort();
  if (members.length > MOST_MEMBERS) {
    throw new PosternError('POSTERN_INVALID', `A group has at most ${MOST_MEMBERS} members.`);
  }
  const known = new Set((await listDirectoryPersons(db, directory.id)).filter(isKnown).map(({ id }) => id));
  const strange = members.find((id) => !known.has(id));
  if (strange === undefined) return members;
  throw new PosternError(
    'POSTERN_INVALID',
    `There is no user ${JSON.stringify(strange.slice(0, 100))} to be a member.`,
  );
}

const sameGroup = (a: Group, b: Group): boolean =>
  a.name === b.name && a.externalId === b.externalId && a.members.join() === b.members.join();

const actorOf = ({ id, name }: Directory): Actor => ({ kind: 'directory', id, name });
