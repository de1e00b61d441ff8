import { parseCertificate, type ReadCertificate } from '../core/certificate-path.ts';
import { DerError } from '../core/der.ts';
import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor } from '../core/record.ts';
import { isTrustDomain } from '../core/spiffe.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import type { ChangeLog } from '../store/changes.ts';
import type { Binding, Trust } from '../store/entities.ts';
import { findTrust, found, listBindings, listTrust, type Page } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { removedBinding } from './bindings.ts';
import { parseBundle } from './bundles.ts';
import { checkName, checkReason, checkText } from './input.ts';
import { readSshKeys } from './ssh-prover.ts';

/** A change record holds it twice, before and after, and has at most 65,535 bytes. */
const KEYS_MAX = 24_000;
const CERTIFICATES_MAX = 16;
const TRUST_MAX = 100;

type Kind = Trust['kind'];

const WORD: Readonly<Record<Kind, string>> = {
  spiffe: 'trust domain',
  x509: 'client CA',
  ssh: 'SSH CA',
};

/** What is trusted, as it is given: in full, or (a bundle) where it is fetched. */
export type TrustInput =
  | { readonly keys: string; readonly url?: undefined }
  | { readonly url: string; readonly keys?: undefined };

export type NewTrust = TrustInput & {
  readonly kind: Kind;
  readonly name: string;
  readonly reason?: string | undefined;
};

/** Who is trusted to say who somebody is: trust domains, authorities of client certificates, SSH authorities. */
export class Trusts {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;
  readonly #prepare: (url: string) => Promise<void>;

  /** @param prepare fetches a bundle, or throws: a trust domain that cannot be asked is a mistake */
  constructor(db: StateDb, changes: ChangeLog, prepare: (url: string) => Promise<void>) {
    this.#db = db;
    this.#changes = changes;
    this.#prepare = prepare;
  }

  /** @throws PosternError POSTERN_INVALID; POSTERN_CONFLICT when there is one of that name */
  async add(actor: Actor, input: NewTrust): Promise<Trust> {
    const { kind } = input;
    const name = checkTrustName(kind, input.name);
    const reason = input.reason === undefined ? undefined : checkReason(input.reason);
    const what = await this.#checked(kind, input);
    return this.#changes.run(actor, async (db) => {
      if ((await findTrust(db, kind, name)) !== undefined)
        throw new PosternError('POSTERN_CONFLICT', `There is a ${WORD[kind]} ${name} already.`);
      if ((await listTrust(db)).length >= TRUST_MAX)
        throw new PosternError('POSTERN_INVALID', `No more than ${TRUST_MAX} authorities are trusted.`);
      const after: Trust = {
        ...{ id: uuidv7(), name, kind, ...what, status: 'active', endReason: null, endedAt: null },
        createdAt: rfc3339(nowMicros()),
      };
      const change = { type: 'trust.added', entity: 'trust', before: null, after, reason } as const;
      return { changes: [change], result: after };
    });
  }

  /** @param kind of those that are meant; absent: all */
  list(kind?: Kind, page?: Page): Promise<Trust[]> {
    return listTrust(this.#db, kind, page);
  }

  /**
   * Replaces what is trusted: for a rotation, first with the old and the new, then with the new alone.
   *
   * @throws PosternError POSTERN_NOT_FOUND, POSTERN_INVALID
   */
  async update(actor: Actor, kind: Kind, ref: string, input: TrustInput, reason: string): Promise<Trust> {
    const why = checkReason(reason);
    const what = await this.#checked(kind, input);
    return this.#changes.run(actor, async (db) => {
      const before = await active(db, kind, ref);
      const after: Trust = { ...before, ...what };
      const change = { type: 'trust.updated', entity: 'trust', before, after, reason: why } as const;
      return { changes: [change], result: after };
    });
  }

  /** Trusts it no more: the bindings that rest on it end, and with them their sessions. @throws PosternError POSTERN_NOT_FOUND */
  remove(actor: Actor, kind: Kind, ref: string, reason: string): Promise<Trust> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = await active(db, kind, ref);
      const endedAt = rfc3339(nowMicros());
      const after: Trust = { ...before, status: 'removed', endReason: why, endedAt };
      const bindings = (await listBindings(db, { status: 'open' })).filter((each) => restsOn(each, before));
      const change = { type: 'trust.removed', entity: 'trust', before, after, reason: why } as const;
      const ended = bindings.map((each) =>
        removedBinding(each, endedAt, `${WORD[kind]} ${before.name} removed`),
      );
      return { changes: [change, ...ended], result: after };
    });
  }

  async #checked(kind: Kind, input: TrustInput): Promise<Pick<Trust, 'url' | 'keys'>> {
    if (input.url !== undefined) {
      if (kind !== 'spiffe')
        throw new PosternError('POSTERN_INVALID', `The keys of a ${WORD[kind]} are given, not fetched.`);
      const url = checkUrl(input.url);
      await this.#prepare(url);
      return { url, keys: null };
    }
    const keys = input.keys.trim();
    if (keys.length > KEYS_MAX)
      throw new PosternError('POSTERN_INVALID', `What is trusted has more than ${KEYS_MAX} characters.`);
    if (keys.includes('PRIVATE KEY'))
      throw new PosternError('POSTERN_INVALID', 'It holds a private key, which must stay where it was made.');
    if (kind === 'spiffe' && parseBundle(keys) === null)
      throw new PosternError('POSTERN_INVALID', 'It is no SPIFFE bundle in JSON that can be read whole.');
    if (kind === 'x509') readAuthorities(keys);
    if (kind === 'ssh') readSshKeys(keys);
    return { url: null, keys: `${keys}\n` };
  }
}

/** Whether a binding says nothing without this. */
function restsOn(binding: Binding, { id, kind, name }: Trust): boolean {
  if (binding.kind === 'spiffe') return kind === 'spiffe' && binding.spiffeId.startsWith(`spiffe://${name}/`);
  return (binding.kind === 'certificate' || binding.kind === 'ssh') && binding.trust?.id === id;
}

async function active(db: StateDb, kind: Kind, ref: string): Promise<Trust> {
  const trust = found(await findTrust(db, kind, ref), WORD[kind], ref);
  if (trust.status === 'active') return trust;
  throw new PosternError('POSTERN_CONFLICT', `The ${WORD[kind]} ${trust.name} is removed already.`);
}

function checkTrustName(kind: Kind, name: string): string {
  if (kind !== 'spiffe') return checkName(name, WORD[kind]);
  if (isTrustDomain(name)) return name;
  throw new PosternError(
    'POSTERN_INVALID',
    'That is no trust domain.',
    'Write it without spiffe:// and without a path: bank.example.',
  );
}

function checkUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol !== 'https:' || url.hash !== '' || url.username !== '' || url.password !== '')
    throw new PosternError(
      'POSTERN_INVALID',
      'The address of a bundle is an https URL without password or fragment.',
    );
  return checkText(text, 'URL', 500);
}

/**
 * The certificates of a PEM file, each of an authority.
 *
 * @throws PosternError POSTERN_INVALID
 */
export function readAuthorities(pem: string): ReadCertificate[] {
  const blocks = [...pem.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\s]*)-----END \1-----/g)];
  if (blocks.length === 0 || blocks.length > CERTIFICATES_MAX)
    throw new PosternError('POSTERN_INVALID', `A client CA is 1 to ${CERTIFICATES_MAX} certificates in PEM.`);
  return blocks.map(([, type, body = '']) => {
    if (type !== 'CERTIFICATE')
      throw new PosternError('POSTERN_INVALID', `It holds something else than certificates: ${type}.`);
    try {
      const read = parseCertificate(Buffer.from(body, 'base64'));
      if (read.facts.ca) return read;
    } catch (error) {
      if (!(error instanceof DerError)) throw error;
      throw new PosternError('POSTERN_INVALID', `One of the certificates cannot be taken: ${error.message}.`);
    }
    throw new PosternError('POSTERN_INVALID', 'One of the certificates is not of an authority (CA:TRUE).');
  });
}
