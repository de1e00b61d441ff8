/** Part of a file that a client asks for, so that a transfer that broke off can go on. */
export interface ByteRange {
  readonly from: number;
  /** Inclusive. */
  readonly to: number;
}

/**
 * The one range that a `Range` header names. Null: send it all, as for headers that are none, several ranges, or a file that is
 * not the one the client began with. `unsatisfiable`: there is nothing there.
 *
 * @param ifRange the `If-Range` header; a range is of use only where it is the strong `etag`
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-14.2
 */
export function byteRange(
  header: string | undefined,
  ifRange: string | undefined,
  etag: string,
  size: number,
): ByteRange | 'unsatisfiable' | null {
  if (header === undefined || (ifRange !== undefined && ifRange !== etag)) return null;
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header.trim());
  if (match === null || (match[1] === '' && match[2] === '')) return null;
  if (match[1] === '') {
    const last = Math.min(Number(match[2]), size);
    return last === 0 ? 'unsatisfiable' : { from: size - last, to: size - 1 };
  }
  const from = Number(match[1]);
  const to = match[2] === '' ? size - 1 : Math.min(Number(match[2]), size - 1);
  if (match[2] !== '' && Number(match[2]) < from) return null;
  return from >= size ? 'unsatisfiable' : { from, to };
}
