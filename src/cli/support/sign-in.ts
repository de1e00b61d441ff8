import type { PersonSession } from './api-types.ts';

const BY: Record<PersonSession['method'], string> = {
  oidc: 'identity provider',
  device: 'device code of the identity provider',
  passkey: 'passkey',
  recovery_code: 'recovery code',
  invitation: 'invitation',
};

/** How the person of a session showed who they are, in words. */
export function signedInBy({ method, provider }: Pick<PersonSession, 'method' | 'provider'>): string {
  return provider === null ? BY[method] : `${BY[method]} ${provider.name}`;
}
