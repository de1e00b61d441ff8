import { PosternError } from '../core/errors.ts';
import type { Actor } from '../core/record.ts';
import { parseSpiffeId } from '../core/spiffe.ts';
import type { ChangeLog } from '../store/changes.ts';
import type { Binding, BindingOf } from '../store/entities.ts';
import { findTrust, found } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { sshFingerprint } from '../vault/ssh-certificate.ts';
import type { DetailsOf } from './binding-kinds.ts';
import { newBinding } from './bindings.ts';
import { checkReason, checkText } from './input.ts';
import { readSshKeys } from './ssh-prover.ts';

export interface SpiffeInput {
  readonly kind: 'spiffe';
  readonly spiffeId: string;
  /** Of JWT-SVIDs; without it none is taken. */
  readonly audience?: string | undefined;
}

export interface CertificateInput {
  readonly kind: 'certificate';
  /** Name or id of a client CA. */
  readonly trust?: string | undefined;
  readonly by: BindingOf<'certificate'>['by'];
  readonly value: string;
}

export interface SshInput {
  readonly kind: 'ssh';
  /** One line as in `id_ed25519.pub`. */
  readonly publicKey?: string | undefined;
  /** Name or id of an SSH CA, with the principal that its certificates must name. */
  readonly trust?: string | undefined;
  readonly sshPrincipal?: string | undefined;
}

export type PossessionInput = SpiffeInput | CertificateInput | SshInput;

/** Bindings of principals to keys that they hold: by SVID, by certificate. */
export class Possession {
  readonly #changes: ChangeLog;

  constructor(changes: ChangeLog) {
    this.#changes = changes;
  }

  /**
   * Binds a principal to what proves it from now on.
   *
   * @throws PosternError POSTERN_INVALID; POSTERN_NOT_FOUND where nobody is trusted who could say so; POSTERN_CONFLICT where it is
   *   bound to another principal
   */
  bind(
    actor: Actor,
    principal: string,
    input: PossessionInput,
    reason: string | undefined,
  ): Promise<Binding> {
    const why = reason === undefined ? undefined : checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const details = await detailsOf(db, input);
      const after = await newBinding(db, principal, details);
      const change = { type: 'binding.created', entity: 'binding', before: null, after } as const;
      return { changes: [{ ...change, principal: after.principal, reason: why }], result: after };
    });
  }
}

function detailsOf(db: StateDb, input: PossessionInput) {
  if (input.kind === 'spiffe') return checkSpiffe(db, input);
  return input.kind === 'certificate' ? checkCertificate(db, input) : checkSsh(db, input);
}

async function checkSsh(db: StateDb, input: SshInput): Promise<DetailsOf<'ssh'>> {
  const { publicKey, trust: ref, sshPrincipal } = input;
  if (publicKey !== undefined && ref === undefined && sshPrincipal === undefined) {
    const [key, second] = readSshKeys(publicKey);
    if (key === undefined || second !== undefined)
      throw new PosternError('POSTERN_INVALID', 'A binding is to one SSH key.');
    return { kind: 'ssh', fingerprint: sshFingerprint(key), trust: null, sshPrincipal: null };
  }
  if (publicKey !== undefined || ref === undefined || sshPrincipal === undefined)
    throw new PosternError(
      'POSTERN_INVALID',
      'Give either a public key, or an SSH CA and a principal of its certificates.',
    );
  const trust = found(await findTrust(db, 'ssh', ref), 'SSH CA', ref);
  if (trust.status === 'removed')
    throw new PosternError('POSTERN_CONFLICT', `The SSH CA ${trust.name} is removed.`);
  const name = checkText(sshPrincipal, 'SSH principal', 200);
  return { kind: 'ssh', fingerprint: null, trust: { id: trust.id, name: trust.name }, sshPrincipal: name };
}

async function checkSpiffe(db: StateDb, input: SpiffeInput): Promise<DetailsOf<'spiffe'>> {
  const id = parseSpiffeId(input.spiffeId);
  if (id === null || id.path === '')
    throw new PosternError(
      'POSTERN_INVALID',
      'That is no SPIFFE ID of a workload.',
      'Write it in full, without wildcards: spiffe://bank.example/ns/ledger/sa/batch.',
    );
  found(await findTrust(db, 'spiffe', id.trustDomain), 'trust domain', id.trustDomain);
  const { audience } = input;
  return {
    kind: 'spiffe',
    spiffeId: input.spiffeId,
    audience: audience === undefined ? null : checkText(audience, 'audience', 500),
  };
}

async function checkCertificate(db: StateDb, input: CertificateInput): Promise<DetailsOf<'certificate'>> {
  const { by, trust: ref } = input;
  const pinned = by === 'certificate' || by === 'public_key';
  const given = checkText(input.value, by, 1000);
  const lower = pinned ? given.replaceAll(':', '').toLowerCase() : given.toLowerCase();
  const value = pinned || by === 'dns' ? lower : given;
  if (pinned && !/^[0-9a-f]{64}$/.test(value))
    throw new PosternError('POSTERN_INVALID', 'A fingerprint is a SHA-256 in hexadecimal.');
  if (value.includes('*'))
    throw new PosternError('POSTERN_INVALID', 'A binding names one client: it has no wildcards.');
  if (by === 'uri' && value.startsWith('spiffe://'))
    throw new PosternError(
      'POSTERN_INVALID',
      'A SPIFFE ID is bound as such, by its trust domain.',
      'postern trust-domain add, and a binding of the kind spiffe.',
    );
  if (ref === undefined && !pinned)
    throw new PosternError(
      'POSTERN_INVALID',
      'A name in a certificate says nothing without the client CA that gave it.',
    );
  const trust = ref === undefined ? null : found(await findTrust(db, 'x509', ref), 'client CA', ref);
  if (trust?.status === 'removed')
    throw new PosternError('POSTERN_CONFLICT', `The client CA ${trust.name} is removed.`);
  return { kind: 'certificate', trust: trust && { id: trust.id, name: trust.name }, by, value };
}
