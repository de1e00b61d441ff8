/** People and groups as SCIM has them, and what a directory sends as Postern keeps it. Pure. */
import { createHash } from 'node:crypto';
import type { DirectoryGroup, DirectoryUser } from '../../identity/directory-people.ts';
import type { Group, Person } from '../../store/entities.ts';
import { ScimError } from './errors.ts';
import { keyOf } from './filter.ts';

export const USER = 'urn:ietf:params:scim:schemas:core:2.0:User';
export const GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group';

export type Resource = Record<string, unknown> & { readonly id: string };

/** @see https://www.rfc-editor.org/rfc/rfc7643#section-4.1 */
export function userResource(person: Person, groups: readonly Group[], base: string): Resource {
  const content = {
    schemas: [USER],
    id: person.id,
    ...(person.directory?.externalId != null && { externalId: person.directory.externalId }),
    userName: person.directory?.userName ?? person.email,
    name: { formatted: person.name },
    displayName: person.name,
    active: person.status === 'active',
    emails: [{ value: person.email, type: 'work', primary: true }],
    groups: groups
      .filter(({ members }) => members.includes(person.id))
      .map(({ id, name }) => ({ value: id, display: name, $ref: `${base}/Groups/${id}` })),
  };
  return { ...content, meta: metaOf('User', person.createdAt, content, `${base}/Users/${person.id}`) };
}

/** @see https://www.rfc-editor.org/rfc/rfc7643#section-4.2 */
export function groupResource(group: Group, base: string): Resource {
  const content = {
    schemas: [GROUP],
    id: group.id,
    ...(group.externalId !== null && { externalId: group.externalId }),
    displayName: group.name,
    members: group.members.map((value) => ({ value, $ref: `${base}/Users/${value}`, type: 'User' })),
  };
  const meta = metaOf('Group', group.createdAt, content, `${base}/Groups/${group.id}`);
  return { ...content, meta: { ...meta, lastModified: group.updatedAt } };
}

function metaOf(resourceType: string, created: string, content: object, location: string) {
  const digest = createHash('sha256').update(JSON.stringify(content)).digest('base64url').slice(0, 22);
  return { resourceType, created, location, version: `W/"${digest}"` };
}

/** @throws ScimError invalidValue */
export function userOf(body: Record<string, unknown>): DirectoryUser {
  const userName = text(body, 'userName');
  if (userName === null) throw new ScimError(400, 'userName is missing.', 'invalidValue');
  const email = emailOf(body) ?? (userName.includes('@') ? userName : null);
  if (email === null) throw new ScimError(400, 'An e-mail address is missing.', 'invalidValue');
  return {
    userName,
    externalId: text(body, 'externalId'),
    email,
    name: nameOf(body) ?? email.slice(0, email.lastIndexOf('@')),
    active: activeOf(get(body, 'active')),
  };
}

/** @throws ScimError invalidValue */
export function groupOf(body: Record<string, unknown>): DirectoryGroup {
  const name = text(body, 'displayName');
  if (name === null) throw new ScimError(400, 'displayName is missing.', 'invalidValue');
  const members = get(body, 'members') ?? [];
  if (!Array.isArray(members)) throw new ScimError(400, 'members is a list.', 'invalidValue');
  return {
    name,
    externalId: text(body, 'externalId'),
    members: members.map((member) => {
      const value = typeof member === 'object' && member !== null ? get(member, 'value') : undefined;
      if (typeof value !== 'string') throw new ScimError(400, 'A member has a value.', 'invalidValue');
      return value;
    }),
  };
}

function get(body: object, name: string): unknown {
  const key = keyOf(body, name);
  return key === undefined ? undefined : (body as Record<string, unknown>)[key];
}

function text(body: object, name: string): string | null {
  const value = get(body, name);
  if (value === undefined || value === null || value === '') return null;
  if (typeof value === 'string') return value;
  throw new ScimError(400, `${name} is text.`, 'invalidValue');
}

/** Where nothing is said somebody is there. Some directories send the word. */
function activeOf(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (typeof value === 'boolean') return value;
  const word = typeof value === 'string' ? value.toLowerCase() : '';
  if (word === 'true' || word === 'false') return word === 'true';
  throw new ScimError(400, 'active is true or false.', 'invalidValue');
}

function emailOf(body: object): string | null {
  const emails = get(body, 'emails');
  if (!Array.isArray(emails)) return null;
  const list = emails.filter((one): one is object => typeof one === 'object' && one !== null);
  const work = list.find((one) => String(get(one, 'type')).toLowerCase() === 'work');
  const chosen = list.find((one) => get(one, 'primary') === true) ?? work ?? list[0];
  return chosen === undefined ? null : text(chosen, 'value');
}

function nameOf(body: object): string | null {
  const name = get(body, 'name');
  const parts = typeof name === 'object' && name !== null ? name : {};
  const display = text(body, 'displayName');
  const formatted = text(parts, 'formatted');
  const whole = [text(parts, 'givenName'), text(parts, 'familyName')]
    .filter((part) => part !== null)
    .join(' ');
  // An address as the name would read as somebody else's address.
  return [display, formatted, whole].find((one) => one !== null && one !== '' && !one.includes('@')) ?? null;
}
