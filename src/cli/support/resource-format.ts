import { formatDuration } from '../../core/duration.ts';
import type { Resource } from './api-types.ts';
import { formatFields } from './table.ts';
import { formatTime } from './time.ts';

/** A resource, a field a line. */
export function describe(resource: Resource): string {
  const { admin, upstream, rotateSeconds } = resource;
  return formatFields([
    ['resource', resource.name],
    ['protocol', resource.protocol],
    ['address', `${resource.host}:${resource.port}/${resource.database}`],
    ['tls', resource.tls.mode],
    ['upstream user', upstream.user],
    ['its password', password(upstream)],
    ['sessions are', admin === null ? 'the upstream user' : `roles of their own, made by ${admin.user}`],
    ...(admin === null ? [] : [['its password', password(admin)] as const]),
    ['replaced', rotateSeconds === null ? 'when asked' : `every ${formatDuration(rotateSeconds * 1000)}`],
    ['owner', resource.owner === null ? 'nobody' : `${resource.owner.name} <${resource.owner.email}>`],
    ['environment', resource.environment],
    ['classification', resource.classification],
    ['durability', resource.durability],
    ['catalogue access', resource.catalogAccess],
    ['digest of results', resource.resultDigest ? 'yes' : 'no'],
    ['status', resource.status],
    ['since', formatTime(resource.createdAt)],
    ['id', resource.id],
  ]);
}

function password({ source, since }: Resource['upstream']): string {
  return source === null ? `in the vault, since ${formatTime(since)}` : `from ${source}`;
}
