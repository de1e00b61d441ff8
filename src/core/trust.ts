/**
 * Who is trusted to say who somebody is by a certificate, and what a certificate that was shown proves. The same for a gateway
 * worker and for the exchange. Nothing here depends on the name that is claimed: a wrong name costs what a right one costs.
 */
import {
  certificateSha256,
  forClients,
  parseCertificate,
  publicKeySha256,
  type ReadCertificate,
  unfitLeaf,
  validatePath,
} from './certificate-path.ts';
import { DerError } from './der.ts';
import { type TokenKey, tokenKeys } from './jws.ts';
import { svidId } from './spiffe.ts';
import type { CertificateBindingView, SpiffeBindingView, TrustView } from './views.ts';

interface Anchor {
  readonly read: ReadCertificate;
  /** Ids of what it is trusted as. */
  readonly names: Set<string>;
}

/** What is trusted, compiled once. */
export class TrustStore {
  readonly #views = new Map<string, TrustView>();
  /** By SHA-256: one certificate may be trusted under several names. */
  #anchors = new Map<string, Anchor>();

  /** Takes what changed; what was removed is forgotten. */
  merge(views: readonly TrustView[]): void {
    if (views.length === 0) return;
    for (const view of views) {
      if (view.status === 'active') this.#views.set(view.id, view);
      else this.#views.delete(view.id);
    }
    const anchors = new Map<string, Anchor>();
    for (const { id, certificates } of this.#views.values()) {
      for (const encoded of certificates) {
        const read = parseCertificate(Buffer.from(encoded, 'base64'));
        const key = certificateSha256(read);
        const known = anchors.get(key) ?? { read, names: new Set<string>() };
        known.names.add(id);
        anchors.set(key, known);
      }
    }
    this.#anchors = anchors;
  }

  /** Subjects of the certificates, to be named to clients that choose by them. PEM. */
  certificates(): string[] {
    return [...this.#anchors.values()].map(({ read }) => read.x509.toString());
  }

  /** Id of the trust domain of that name. */
  domain(name: string): string | undefined {
    return [...this.#views.values()].find((view) => view.kind === 'spiffe' && view.name === name)?.id;
  }

  /** Keys of JWT-SVIDs of a trust domain; none where it is not trusted. */
  tokenKeys(trustDomain: string): readonly TokenKey[] {
    const view = this.#views.get(this.domain(trustDomain) ?? '');
    return view === undefined ? [] : tokenKeys({ keys: view.jwks }, 'jwt-svid');
  }

  /**
   * What a certificate proves, whoever is claimed. That its holder has the key has been proven by who calls.
   *
   * @param chain what was shown beside it
   */
  examine(der: Buffer, chain: readonly Buffer[], nowMs: number): Examined | Unreadable {
    let leaf: ReadCertificate;
    let shown: readonly ReadCertificate[];
    try {
      leaf = parseCertificate(der);
      shown = chain.map(parseCertificate);
    } catch (error) {
      if (!(error instanceof DerError)) throw error;
      return { leaf: null, why: `it cannot be read: ${error.message}` };
    }
    const unfit = unfitLeaf(leaf, nowMs);
    if (unfit !== null) return { leaf: null, why: unfit };
    const anchors = [...this.#anchors.values()];
    const { reached, why } = validatePath(
      leaf,
      shown,
      anchors.map(({ read }) => read),
      nowMs,
    );
    const names = new Set(anchors.filter(({ read }) => reached.has(read)).flatMap((each) => [...each.names]));
    return { leaf, names, why, domain: (name) => this.domain(name) };
  }
}

/** One that proves nothing, whoever signed it. */
export interface Unreadable {
  readonly leaf: null;
  readonly why: string;
}

/** A certificate that speaks for a client. */
export interface Examined {
  readonly leaf: ReadCertificate;
  /** Ids of what it leads to. */
  readonly names: ReadonlySet<string>;
  /** Why it leads to nothing, where it does not. */
  readonly why: string;
  readonly domain: (name: string) => string | undefined;
}

/** Whether it is what a binding asks for. */
export function certificateFits(
  { leaf, names, domain }: Examined,
  rule:
    | Pick<CertificateBindingView, 'kind' | 'trustId' | 'by' | 'value'>
    | Pick<SpiffeBindingView, 'kind' | 'spiffeId'>,
): boolean {
  if (rule.kind === 'spiffe') {
    const svid = svidId(leaf);
    if (!svid.ok || svid.id !== rule.spiffeId) return false;
    const trusted = domain(svid.trustDomain);
    return trusted !== undefined && names.has(trusted);
  }
  if (rule.trustId === null) {
    const { extendedKeyUsage } = leaf.facts;
    if (extendedKeyUsage !== null && !forClients(leaf)) return false;
    return rule.value === (rule.by === 'certificate' ? certificateSha256(leaf) : publicKeySha256(leaf));
  }
  if (!names.has(rule.trustId) || !forClients(leaf)) return false;
  const { subject, uris, dnsNames, emails } = leaf.facts;
  switch (rule.by) {
    case 'subject':
      return subject !== null && subject === rule.value;
    case 'uri':
      return uris.includes(rule.value);
    case 'dns':
      return dnsNames.some((name) => name.toLowerCase() === rule.value);
    case 'email':
      return emails.includes(rule.value);
    case 'certificate':
      return certificateSha256(leaf) === rule.value;
    case 'public_key':
      return publicKeySha256(leaf) === rule.value;
  }
}
