import type { GrantConditions } from '../core/conditions.ts';
import type { Authority, Ref } from '../core/record.ts';

/** The state of one thing as a change record gives it: the `after` of its last change. */
export type State = Readonly<Record<string, unknown>>;

/** A field that is text, or null. */
export function textOf(state: State | undefined, key: string): string | null {
  const value = state?.[key];
  return typeof value === 'string' ? value : null;
}

/** A reference to another thing, written `key: {id, name}` or `keyId: id`; the name is then looked up. */
export function refOf(
  state: State | undefined,
  key: string,
  nameOf: (id: string) => string | null,
): Ref | null {
  const value = state?.[key];
  if (typeof value === 'object' && value !== null && 'id' in value && typeof value.id === 'string') {
    const name = 'name' in value && typeof value.name === 'string' ? value.name : nameOf(value.id);
    return { id: value.id, name: name ?? value.id };
  }
  const id = textOf(state, `${key}Id`) ?? (typeof value === 'string' ? value : null);
  return id === null ? null : { id, name: nameOf(id) ?? id };
}

/** A time as RFC 3339, whether it was written so or as milliseconds since the epoch. */
export function timeOf(state: State | undefined, key: string): string | null {
  const value = state?.[key];
  if (typeof value === 'number' && Number.isFinite(value)) return new Date(value).toISOString();
  return typeof value === 'string' ? value : null;
}

/** The authority of a grant, or null where the record has none. */
export function authorityOf(state: State | undefined): Authority | null {
  const value = state?.authority;
  if (typeof value !== 'object' || value === null) return null;
  return value as Authority;
}

/** The grant as the API and the evidence show it. */
export interface GrantShown {
  readonly id: string;
  readonly principal: Ref | null;
  readonly resource: Ref | null;
  readonly scope: string;
  /** What it is for only, beside its scope. */
  readonly conditions: GrantConditions;
  readonly start: string | null;
  readonly end: string | null;
  readonly status: string;
  readonly endReason: string | null;
  readonly endedAt: string | null;
  readonly authority: Authority | null;
  readonly createdAt: string | null;
}

export function grantShown(
  id: string,
  state: State,
  nameOf: (kind: 'principal' | 'resource', id: string) => string | null,
): GrantShown {
  return {
    id,
    principal: refOf(state, 'principal', (ref) => nameOf('principal', ref)),
    resource: refOf(state, 'resource', (ref) => nameOf('resource', ref)),
    scope: textOf(state, 'scope') ?? '',
    conditions: typeof state?.conditions === 'object' && state.conditions !== null ? state.conditions : {},
    start: timeOf(state, 'start'),
    end: timeOf(state, 'end'),
    status: textOf(state, 'status') ?? 'active',
    endReason: textOf(state, 'endReason'),
    endedAt: timeOf(state, 'endedAt'),
    authority: authorityOf(state),
    createdAt: timeOf(state, 'createdAt'),
  };
}
