import { encodeSegment, isId, readQuery, readTarget, routeOf } from './target.ts';

/** What can be the name of a parameter and says nothing else. */
const NAME = /^[A-Za-z_$][\w.$[\]-]{0,63}$/;

/**
 * The text of a recorded request (`GET /v1/accounts/42?name=x`) with `*` for what looks like an id in its path and for the values of its
 * parameters; null where it has no one reading.
 */
export function maskRequestText(text: string): string | null {
  const [, method, written] = /^([A-Z]{1,20}) (\/\S*)$/.exec(text) ?? [];
  if (method === undefined || written === undefined) return null;
  const target = readTarget(written);
  if ('refused' in target) return null;
  const query = readQuery(target.search);
  if (query === null) return null;
  const parts = query.map(([name, value]) => {
    const isName = NAME.test(name) && !isId(name);
    // Without a value it may be one itself.
    return isName && value !== '' ? `${encodeSegment(name)}=*` : '*';
  });
  return `${method} ${routeOf(target)}${parts.length === 0 ? '' : `?${parts.join('&')}`}`;
}
