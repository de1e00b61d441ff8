import { fetchKey, type KeySource } from '../../vault/key-source.ts';

/** Where the log's signing key is, when it is not in the data directory. */
export type LogKeySource = KeySource;

/**
 * Fetches the signing key.
 *
 * @throws PosternError POSTERN_INVALID, which holds nothing of the key
 */
export function fetchLogKey(source: LogKeySource): Promise<string> {
  return fetchKey(source, { what: 'signing key for the log' });
}
