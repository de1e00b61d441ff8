/** What each kind of binding asks for, checked: one function per kind, and whether two of them could be proven by one thing. */
import type { Binding, BindingOf } from '../store/entities.ts';
import { oidcOverlaps } from './oidc-binding.ts';

/** What is particular to the bindings of a kind. */
export type DetailsOf<K extends Binding['kind']> = K extends K
  ? Omit<BindingOf<K>, 'id' | 'principal' | 'status' | 'endReason' | 'endedAt' | 'createdAt'>
  : never;

/** Whether one thing that is shown could prove both. */
export function overlaps(a: Binding, b: DetailsOf<Binding['kind']>): boolean {
  if (a.kind === 'oidc' && b.kind === 'oidc') return oidcOverlaps(a, b);
  if (a.kind === 'spiffe' && b.kind === 'spiffe') return a.spiffeId === b.spiffeId;
  if (a.kind === 'certificate' && b.kind === 'certificate') return a.by === b.by && a.value === b.value;
  if (a.kind === 'aws' && b.kind === 'aws')
    return a.uniqueId === b.uniqueId && (a.session === null || b.session === null || a.session === b.session);
  if (a.kind === 'kubernetes' && b.kind === 'kubernetes') return a.uid === b.uid;
  if (a.kind === 'ssh' && b.kind === 'ssh')
    return (
      a.fingerprint === b.fingerprint && a.trust?.id === b.trust?.id && a.sshPrincipal === b.sshPrincipal
    );
  return false;
}
