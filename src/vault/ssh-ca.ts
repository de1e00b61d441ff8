import { createPrivateKey, hkdfSync, type KeyObject } from 'node:crypto';
import type { StateDb } from '../store/store.ts';
import { sealedSetting } from './sealed-setting.ts';
import type { SecretBox } from './secrets.ts';
import { sshBlobOf } from './ssh-certificate.ts';

/** An Ed25519 private key in DER, up to its 32 bytes. @see https://www.rfc-editor.org/rfc/rfc8410#section-7 */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** Postern's own authority for SSH certificates. */
export interface SshCa {
  readonly key: KeyObject;
  /** As a line for `TrustedUserCAKeys`. @see https://man.openbsd.org/sshd_config#TrustedUserCAKeys */
  readonly publicLine: string;
}

/** That of this installation: made once, and kept sealed. */
export async function openSshCa(db: StateDb, box: SecretBox): Promise<SshCa> {
  const secret = await sealedSetting(db, box, 'ssh_ca');
  const seed = Buffer.from(hkdfSync('sha256', secret, '', 'postern ssh user ca v1', 32));
  const key = createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' });
  const blob = sshBlobOf(key);
  return { key, publicLine: `ssh-ed25519 ${blob.toString('base64')} postern` };
}
