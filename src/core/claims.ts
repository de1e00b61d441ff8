/**
 * Claims of a token by name, as texts. Pure.
 *
 * A name is that of a claim; one that begins with `/` is a JSON Pointer to a value within a claim
 * (`/kubernetes.io/serviceaccount/uid`).
 *
 * @see https://www.rfc-editor.org/rfc/rfc6901
 */
import { isObject } from './jws.ts';

export type Claims = Readonly<Record<string, unknown>>;

/** The names on the way to a value; null where the text is no pointer with two names or more, nor a plain name. */
export function claimPath(name: string): readonly string[] | null {
  if (!name.startsWith('/')) return name === '' ? null : [name];
  const parts = name.slice(1).split('/');
  // One name alone is written without: a claim has one name, so that two rules about it can be compared.
  if (parts.length < 2 || parts.some((part) => part === '' || /~(?![01])/.test(part))) return null;
  return parts.map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function claimAt(claims: Claims, name: string): unknown {
  let value: unknown = claims;
  for (const part of claimPath(name) ?? ['']) {
    if (!isObject(value) || !Object.hasOwn(value, part)) return undefined;
    value = value[part];
  }
  return value;
}

/** A string as it is, true, false and whole numbers as JSON writes them; null for everything else. */
function textOf(value: unknown): string | null {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean' || Number.isSafeInteger(value)) return String(value);
  return null;
}

export const claimText = (claims: Claims, name: string): string | null => textOf(claimAt(claims, name));

/** Longest text of a claim that is kept, in characters. */
const KEPT = 200;

/** Claims worth keeping, as texts; those that the token does not have are left out. Lists are kept as JSON. */
export function claimsKept(claims: Claims, names: Iterable<string>): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of names) {
    const value = claimAt(claims, name);
    const text = Array.isArray(value) ? JSON.stringify(value) : textOf(value);
    if (text !== null) kept[name] = text.slice(0, KEPT);
  }
  return kept;
}

/** Whether the claim is a list with this among its values. */
export function claimHolds(claims: Claims, name: string, wanted: string): boolean {
  const value = claimAt(claims, name);
  return Array.isArray(value) && value.some((each) => textOf(each) === wanted);
}
