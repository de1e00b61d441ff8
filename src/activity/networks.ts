import { isIP } from 'node:net';

/**
 * The network of a client's address: of IPv4 the /24, of IPv6 the /48, so that the sources of a principal are few and say where
 * and not which socket. Null for what is no address.
 *
 * @param source `host:port` or `[host]:port`, as session records have it
 */
export function networkOf(source: string): string | null {
  const at = source.lastIndexOf(':');
  const host = source.slice(0, at).replace(/^\[|\]$/g, '');
  const address = isIP(host) === 0 ? source : host;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  const v4 = mapped ?? (isIP(address) === 4 ? address : undefined);
  if (v4 !== undefined) return `${v4.split('.').slice(0, 3).join('.')}.0/24`;
  if (isIP(address) !== 6) return null;
  const [head = '', tail] = address.replace(/%.*$/, '').split('::');
  const groups = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  // An IPv4 address at the end stands for two groups.
  const width = last.reduce((sum, group) => sum + (group.includes('.') ? 2 : 1), 0);
  if (tail !== undefined)
    groups.push(...Array.from({ length: 8 - groups.length - width }, () => '0'), ...last);
  const first = groups.slice(0, 3).map((group) => Number.parseInt(group, 16).toString(16));
  return `${new URL(`http://[${first.join(':')}::]/`).hostname.slice(1, -1)}/48`;
}
