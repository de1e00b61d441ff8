import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { PosternError } from '../core/errors.ts';
import { writeDurably } from './files.ts';
import { formatVerifierKey, generateSigner, loadSigner, type NoteSigner, saveSigner } from './note.ts';

/**
 * The signing key of a log folder (`log.key`, with `log.vkey` beside it). It is made once, for an empty log, under a
 * random name that becomes the log's origin; a log that has leaves and no key is refused.
 */
export function openLogKey(logDir: string, logIsEmpty: boolean): NoteSigner {
  const file = join(logDir, 'log.key');
  if (!fs.existsSync(file)) {
    if (!logIsEmpty) {
      throw new PosternError(
        'POSTERN_INTERNAL',
        `The signing key ${file} is missing, and the log has leaves.`,
        'Restore log.key: a new key would begin another log.',
      );
    }
    saveSigner(file, generateSigner(`postern.local/${randomBytes(8).toString('hex')}`));
  }
  const signer = loadSigner(file);
  const vkey = join(logDir, 'log.vkey');
  if (!fs.existsSync(vkey))
    writeDurably([{ path: vkey, data: Buffer.from(`${formatVerifierKey(signer)}\n`) }]);
  return signer;
}
