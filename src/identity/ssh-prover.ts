import { isIP } from 'node:net';
import { AddressBlocks } from '../core/address-blocks.ts';
import { PosternError } from '../core/errors.ts';
import type { BindingOf, Trust } from '../store/entities.ts';
import { bindingsOfKind, listTrust } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { parseSshPublicKey, sshFingerprint } from '../vault/ssh-certificate.ts';
import type { Challenges } from './challenges.ts';
import { type Prover, tokenSha256 } from './proof.ts';
import {
  SSHSIG_MAX,
  type SshCertificate,
  SshError,
  type SshSignature,
  sameKey,
  verifySshSignature,
} from './ssh-signature.ts';

/** What `ssh-keygen -Y sign -n` is given: a signature for anything else proves nothing here. */
export const SSH_NAMESPACE = 'postern-token@v1';

/** Exactly what is signed. */
export const sshStatement = (audience: string, principal: string, nonce: string): string =>
  `postern-token-v1\naudience: ${audience}\nprincipal: ${principal}\nnonce: ${nonce}\n`;

const STATEMENT =
  /^postern-token-v1\naudience: ([^\n]{1,500})\nprincipal: ([^\n]{1,63})\nnonce: ([\w-]{1,100})\n$/;
const TOKEN_MAX = 14_000;

interface SshProverOptions {
  readonly db: StateDb;
  readonly challenges: Challenges;
  readonly audience: () => string;
}

/**
 * Proof by a signature with an SSH key over a statement with a nonce of this Postern. The token is statement and signature in
 * base64, with a dot between them. The signature is verified before anybody looks which principal is meant.
 */
export function sshProver({ db, challenges, audience }: SshProverOptions): Prover {
  return async ({ token, source }) => {
    const { statement, signature } = verified(token);
    const [, forWhom, name = '', nonce = ''] = statement;
    if (forWhom !== audience()) throw unproven(`it is not for ${audience()}`);
    const certificate = signature.certificate;
    const trusted = certificate === null ? [] : await authorities(db, certificate);
    const fingerprint = sshFingerprint(signature.key);
    const binding = (await bindingsOfKind(db, 'ssh'))
      .filter(({ principal }) => principal.name === name)
      .find((each) =>
        certificate === null
          ? each.fingerprint === fingerprint
          : trusted.some(({ id }) => id === each.trust?.id) && names(certificate, each),
      );
    if (binding === undefined) throw unproven('that principal is not bound to this key');
    const why = certificate === null ? null : unfit(certificate, source, Date.now());
    if (why !== null) throw unproven(why);
    challenges.take(nonce);
    return {
      principal: binding.principal,
      binding: binding.id,
      kind: 'ssh',
      issuer: binding.trust?.name ?? null,
      subject: certificate?.keyId.slice(0, 500) ?? fingerprint,
      jti: nonce,
      sha256: tokenSha256(token),
      claims: { fingerprint, ...(certificate && { serial: String(certificate.serial) }) },
      expiresAt: certificate === null ? null : endOf(certificate),
    };
  };
}

function verified(token: string): { readonly statement: RegExpExecArray; readonly signature: SshSignature } {
  const [said, mark, ...more] = token.length > TOKEN_MAX ? [] : token.split('.');
  if (said === undefined || mark === undefined || more.length > 0 || /[^\w+/=-]/.test(said + mark))
    throw unproven('it is not a statement and a signature in base64, with a dot between them');
  const message = Buffer.from(said, 'base64');
  const statement = STATEMENT.exec(message.toString('utf8'));
  if (statement === null) throw unproven('its statement has another form');
  try {
    const blob = Buffer.from(mark, 'base64');
    if (blob.length > SSHSIG_MAX) throw new SshError('it is too long');
    return { statement, signature: verifySshSignature(blob, SSH_NAMESPACE, message) };
  } catch (error) {
    if (!(error instanceof SshError)) throw error;
    throw unproven(error.message);
  }
}

/** The SSH authorities that have the key which signed a certificate. */
async function authorities(db: StateDb, { authority }: SshCertificate): Promise<Trust[]> {
  return (await listTrust(db, 'ssh')).filter((trust) =>
    readSshKeys(trust.keys ?? '').some((key) => sameKey(key, authority)),
  );
}

/** One that names nobody is good for everybody: it proves nobody. */
const names = ({ principals }: SshCertificate, { sshPrincipal }: BindingOf<'ssh'>): boolean =>
  sshPrincipal !== null && principals.includes(sshPrincipal);

/** What speaks against a certificate, from there and now. */
function unfit(
  { validAfter, validBefore, criticalOptions }: SshCertificate,
  source: string,
  nowMs: number,
): string | null {
  const now = BigInt(Math.floor(nowMs / 1000));
  if (validAfter > now) return 'its certificate is not valid yet';
  if (validBefore <= now) return 'its certificate is over';
  for (const [name, value] of criticalOptions) {
    if (name !== 'source-address')
      return `its certificate has a critical option that is not understood here: ${name}`;
    if (!within(source, value)) return 'its certificate is not for the address from which it comes';
  }
  return null;
}

function within(source: string, list: string): boolean {
  const blocks = list.split(',').map((each) => {
    const [address = '', bits = isIP(address) === 6 ? '128' : '32'] = each.split('/');
    const most = isIP(address) === 6 ? 128 : 32;
    return isIP(address) !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= most
      ? `${address}/${bits}`
      : null;
  });
  const plain = source.replace(/^::ffff:(?=\d+\.)/, '');
  return blocks.every((block) => block !== null) && new AddressBlocks(blocks as string[]).has(plain);
}

const FOREVER = 8_640_000_000_000n;
const endOf = ({ validBefore }: SshCertificate): number | null =>
  validBefore > FOREVER ? null : Number(validBefore) * 1000;

const TAKEN = /^(ssh-ed25519|ecdsa-sha2-nistp256|ssh-rsa) /;

/**
 * The keys of a file with one public key a line. Empty lines, and those that begin with #, are passed over.
 *
 * @returns each as SSH sends it
 * @throws PosternError POSTERN_INVALID
 */
export function readSshKeys(text: string): Buffer[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'));
  if (lines.length === 0 || lines.length > 16)
    throw new PosternError('POSTERN_INVALID', 'That is not 1 to 16 SSH public keys, one a line.');
  return lines.map((line) => {
    if (!TAKEN.test(line))
      throw new PosternError(
        'POSTERN_INVALID',
        'SSH keys are taken of ed25519, ecdsa-sha2-nistp256 and RSA.',
      );
    return parseSshPublicKey(line.trimEnd()).blob;
  });
}

const unproven = (why: string): PosternError =>
  new PosternError('POSTERN_UNAUTHORIZED', `The SSH signature proves nothing: ${why}.`);
