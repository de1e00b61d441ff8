import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { PosternError } from '../core/errors.ts';
import { writePrivate } from '../store/files.ts';

/**
 * The key under which everything secret at rest is sealed: 32 random bytes, base64 in a file of mode 0600.
 * Made at first start, unless `POSTERN_MASTER_KEY_FILE` names a file, which then must exist: a key that is
 * kept elsewhere (a mounted secret) must never be replaced by a fresh one unnoticed.
 *
 * @throws PosternError POSTERN_INVALID when the file is missing, malformed or readable by others
 */
export function loadMasterKey(dataDir: string, override = process.env.POSTERN_MASTER_KEY_FILE): Buffer {
  const file = override || join(dataDir, 'master.key');
  if (!existsSync(file)) {
    if (override) throw new PosternError('POSTERN_INVALID', `The master key file ${file} does not exist.`);
    if (existsSync(join(dataDir, 'state.db'))) {
      throw new PosternError(
        'POSTERN_INVALID',
        `The master key ${file} is missing although the data directory is in use.`,
        'Restore it from your backup: without it the stored secrets and payloads cannot be opened.',
      );
    }
    writePrivate(file, `${randomBytes(32).toString('base64')}\n`);
  }
  const info = statSync(file);
  if ((info.mode & 0o077) !== 0) {
    throw new PosternError(
      'POSTERN_INVALID',
      `The master key file ${file} can be read by others than its owner.`,
      `chmod 600 ${file}`,
    );
  }
  const text = info.size <= 64 ? readFileSync(file, 'utf8').trim() : '';
  const key = Buffer.from(text, 'base64');
  if (key.length !== 32 || key.toString('base64') !== text) {
    throw new PosternError('POSTERN_INVALID', `The master key file ${file} is not 32 bytes in base64.`);
  }
  return key;
}
