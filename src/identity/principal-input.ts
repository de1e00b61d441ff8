/** Checks of what is said of a principal when it is made or changed. */
import { PosternError } from '../core/errors.ts';
import type { PersonRef, Principal } from '../store/entities.ts';
import { findPerson, found } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { checkText, checkTime } from './input.ts';

const TAGS_MAX = 32;
/** Of all of them together, so that a record of a change, which holds them twice, fits into a leaf. */
const TAGS_BYTES_MAX = 8192;
const TAG_KEY = /^[a-z0-9][a-z0-9._/-]{0,62}$/;

/** Tags to set; null takes one away. */
export type TagPatch = Readonly<Record<string, string | null>>;

/** The tags after a patch, in the order of their names. @throws PosternError POSTERN_INVALID */
export function patchedTags(before: Principal['tags'], patch: TagPatch): Record<string, string> {
  const tags = new Map(Object.entries(before));
  for (const [key, value] of Object.entries(patch)) {
    if (!TAG_KEY.test(key)) {
      throw new PosternError(
        'POSTERN_INVALID',
        `${JSON.stringify(key.slice(0, 80))} cannot be the name of a tag.`,
        'Use 1 to 63 characters: lower-case letters, digits, dot, underscore, hyphen and slash, beginning with a letter or digit.',
      );
    }
    if (value === null) tags.delete(key);
    else tags.set(key, checkText(value, `tag ${key}`, 200));
  }
  if (tags.size > TAGS_MAX) {
    throw new PosternError('POSTERN_INVALID', `A principal has at most ${TAGS_MAX} tags.`);
  }
  if (Buffer.byteLength(JSON.stringify([...tags])) > TAGS_BYTES_MAX) {
    throw new PosternError(
      'POSTERN_INVALID',
      `The tags of a principal come to at most ${TAGS_BYTES_MAX} bytes.`,
    );
  }
  return Object.fromEntries([...tags].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** @throws PosternError POSTERN_INVALID */
export function checkInterval(days: number): number {
  if (Number.isInteger(days) && days >= 1 && days <= 366) return days;
  throw new PosternError('POSTERN_INVALID', 'The review interval is 1 to 366 days.');
}

/** An expiry that is still to come. @param at the present, as it is stored */
export function checkExpiry(text: string, at: string): string {
  const expiresAt = checkTime(text, 'expiry');
  if (expiresAt > at) return expiresAt;
  throw new PosternError('POSTERN_INVALID', 'The expiry lies in the past.');
}

export const checkPurpose = (text: string): string => checkText(text, 'purpose', 1000);
export const checkEnvironment = (text: string): string => checkText(text, 'environment', 64);
export const checkSponsor = (text: string): string => checkText(text, 'sponsor', 200);

/**
 * The two people who answer for a principal: active, with the role owner or admin, and not one and the same.
 *
 * @throws PosternError POSTERN_NOT_FOUND, POSTERN_INVALID
 */
export async function answerable(
  db: StateDb,
  owner: string,
  backupOwner: string | undefined,
): Promise<{ owner: PersonRef; backupOwner: PersonRef }> {
  const first = await accountable(db, owner, 'owner');
  if (backupOwner === undefined) {
    throw new PosternError(
      'POSTERN_INVALID',
      'A backup owner is missing.',
      'Name the person who answers for it when the owner cannot.',
    );
  }
  const second = await accountable(db, backupOwner, 'backup owner');
  if (first.id === second.id) {
    throw new PosternError('POSTERN_INVALID', 'The backup owner is someone else than the owner.');
  }
  return { owner: first, backupOwner: second };
}

/**
 * A person who can answer for something: active, with the role owner or admin.
 *
 * @throws PosternError POSTERN_NOT_FOUND, POSTERN_INVALID
 */
export async function accountable(db: StateDb, refText: string, what: string): Promise<PersonRef> {
  const person = found(await findPerson(db, refText), 'person', refText);
  if (person.status !== 'active' || !person.roles.some((role) => role === 'owner' || role === 'admin')) {
    throw new PosternError(
      'POSTERN_INVALID',
      `${person.name} cannot be the ${what}: the ${what} is an active person with the role owner or admin.`,
    );
  }
  return { id: person.id, name: person.name, email: person.email };
}
