import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { PosternError } from '../core/errors.ts';
import { ensureDirectory, writePrivate } from '../store/files.ts';

const DAY = 86_400_000;
const CA_DAYS = 3653;
const SERVER_DAYS = 397;
const RENEW_BEFORE_DAYS = 30;
/** With which the authority signs. */
export const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

export interface TlsMaterial {
  readonly caPem: string;
  readonly certPem: string;
  readonly keyPem: string;
}

interface Issuer {
  readonly certificate: x509.X509Certificate;
  readonly key: webcrypto.CryptoKey;
}

/**
 * Postern's own certificate authority and the server certificate of its listeners, in `<dataDir>/ca`. Both are
 * made at first start (ECDSA P-256; CA 10 years, server 397 days); the server certificate is renewed when
 * fewer than 30 days are left or a name is missing from it, so clients keep trusting the one CA file.
 *
 * @param names further DNS names or IP addresses under which clients reach Postern
 * @throws PosternError POSTERN_INVALID for a name that is neither, or a CA that is damaged or over
 * @see https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.6
 */
export async function ensureTls(dataDir: string, names: readonly string[] = []): Promise<TlsMaterial> {
  const dir = join(dataDir, 'ca');
  ensureDirectory(dir);
  const ca = await ensureCa(dir);
  const wanted = [...new Set(['localhost', '127.0.0.1', '::1', ...ownNames(), ...names.map(checkedName)])];
  const certFile = join(dir, 'server.crt');
  const keyFile = join(dir, 'server.key');
  if (!(await stillGood(certFile, keyFile, wanted, ca))) {
    const { certPem, keyPem } = await issueServer(ca, wanted);
    // The key first: a crash in between leaves a pair that does not match, which stillGood sees.
    writePrivate(keyFile, keyPem);
    writePrivate(certFile, certPem);
  }
  return {
    caPem: readFileSync(join(dir, 'ca.crt'), 'utf8'),
    certPem: readFileSync(certFile, 'utf8'),
    keyPem: readFileSync(keyFile, 'utf8'),
  };
}

/**
 * The authority of a data directory, for signing; made if there is none.
 *
 * @throws PosternError POSTERN_INVALID when it is damaged or over
 */
export async function openCa(dataDir: string): Promise<Issuer> {
  const dir = join(dataDir, 'ca');
  ensureDirectory(dir);
  return ensureCa(dir);
}

async function ensureCa(dir: string): Promise<Issuer> {
  const certFile = join(dir, 'ca.crt');
  const keyFile = join(dir, 'ca.key');
  if (!existsSync(certFile)) {
    const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: serial(),
      name: `CN=Postern CA ${randomBytes(4).toString('hex')}, O=Postern`,
      notBefore: new Date(Date.now() - DAY),
      notAfter: new Date(Date.now() + CA_DAYS * DAY),
      keys,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    writePrivate(keyFile, await privatePem(keys.privateKey));
    writePrivate(certFile, `${certificate.toString('pem')}\n`);
  }
  try {
    const certificate = new x509.X509Certificate(readFileSync(certFile, 'utf8'));
    const keyPem = readFileSync(keyFile, 'utf8');
    const der = x509.PemConverter.decodeFirst(keyPem);
    if (!(await keyFits(certificate, keyPem))) throw new Error('ca.key does not belong to ca.crt');
    const key = await webcrypto.subtle.importKey('pkcs8', der, ALGORITHM, false, ['sign']);
    if (certificate.notAfter.getTime() < Date.now() + DAY) throw new Error('it has expired');
    return { certificate, key };
  } catch (error) {
    throw new PosternError(
      'POSTERN_INVALID',
      `The certificate authority in ${dir} cannot be used: ${error instanceof Error ? error.message : 'unreadable'}.`,
      'Restore ca.crt and ca.key from your backup. Removing both makes a new CA that every client must be given anew.',
    );
  }
}

async function issueServer(
  ca: Issuer,
  names: readonly string[],
): Promise<{ certPem: string; keyPem: string }> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const end = Math.min(Date.now() + SERVER_DAYS * DAY, ca.certificate.notAfter.getTime());
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: 'CN=Postern gateway, O=Postern',
    issuer: ca.certificate.subject,
    notBefore: new Date(Date.now() - DAY),
    notAfter: new Date(end),
    publicKey: keys.publicKey,
    signingKey: ca.key,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isIP(value) ? ('ip' as const) : ('dns' as const), value })),
      ),
      await x509.AuthorityKeyIdentifierExtension.create(ca.certificate),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certPem: `${certificate.toString('pem')}\n`, keyPem: await privatePem(keys.privateKey) };
}

async function stillGood(
  certFile: string,
  keyFile: string,
  names: readonly string[],
  ca: Issuer,
): Promise<boolean> {
  if (!existsSync(certFile) || !existsSync(keyFile)) return false;
  try {
    const certificate = new x509.X509Certificate(readFileSync(certFile, 'utf8'));
    if (certificate.notAfter.getTime() < Date.now() + RENEW_BEFORE_DAYS * DAY) return false;
    if (!(await certificate.verify({ publicKey: ca.certificate, signatureOnly: true }))) return false;
    const sans = certificate.getExtension(x509.SubjectAlternativeNameExtension)?.names.toJSON() ?? [];
    const present = new Set(sans.map((name) => normalIp(name.value)));
    if (names.some((name) => !present.has(normalIp(name)))) return false;
    return await keyFits(certificate, readFileSync(keyFile, 'utf8'));
  } catch {
    // A file that cannot be read as a certificate or key is replaced by a fresh pair.
    return false;
  }
}

async function keyFits(certificate: x509.X509Certificate, keyPem: string): Promise<boolean> {
  const { subtle } = webcrypto;
  const der = x509.PemConverter.decodeFirst(keyPem);
  const key = await subtle.importKey('pkcs8', der, ALGORITHM, false, ['sign']);
  const probe = randomBytes(32);
  const signature = await subtle.sign(ALGORITHM, key, probe);
  return subtle.verify(ALGORITHM, await certificate.publicKey.export(), signature, probe);
}

/** The host's name and addresses: what a client on the same network would dial. */
function ownNames(): string[] {
  const own: string[] = [];
  const host = hostname().toLowerCase();
  if (isDnsName(host)) own.push(host);
  for (const list of Object.values(networkInterfaces())) {
    for (const { address, internal, scopeid } of list ?? []) {
      if (!internal && !scopeid) own.push(address);
    }
  }
  return own;
}

function checkedName(name: string): string {
  const lower = name.toLowerCase();
  if (isIP(lower) || isDnsName(lower)) return lower;
  throw new PosternError(
    'POSTERN_INVALID',
    `${JSON.stringify(name)} is neither a DNS name nor an IP address.`,
  );
}

function isDnsName(name: string): boolean {
  return (
    name.length <= 253 &&
    /^(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/.test(name)
  );
}

/** One spelling per IPv6 address, since a certificate holds bytes and is printed in another form. */
function normalIp(value: string): string {
  if (isIP(value) !== 6) return value.toLowerCase();
  return new URL(`http://[${value}]`).hostname.slice(1, -1);
}

/** Positive, 128 random bits. */
function serial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] as number) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

async function privatePem(key: webcrypto.CryptoKey): Promise<string> {
  const der = await webcrypto.subtle.exportKey('pkcs8', key);
  return `${x509.PemConverter.encode(der, 'PRIVATE KEY')}\n`;
}
