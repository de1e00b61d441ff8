/**
 * The name of a principal in its client certificates, as a URI in the subject alternative name.
 *
 * @see https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.6
 */
export const clientUri = (principal: string): string => `postern://principal/${principal}`;

/** A party of a delegation as a URI. People are named by id, since their names are not unique. */
export const partyUri = (party: {
  readonly kind: 'person' | 'principal';
  readonly id: string;
  readonly name: string;
}): string => (party.kind === 'person' ? `postern://person/${party.id}` : clientUri(party.name));

/** The principal that a subject alternative name with nothing but its URI names, or null. @param subjectAltName as `node:crypto` writes it */
export function principalOfUri(subjectAltName: string): string | null {
  return /^URI:postern:\/\/principal\/([a-z0-9._-]+)$/.exec(subjectAltName)?.[1] ?? null;
}
