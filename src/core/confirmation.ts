/**
 * A key whose possession has to be proven beside a credential. Members as in the claim `cnf`.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7800#section-3
 */
export interface Confirmation {
  /** Thumbprint of a JWK, SHA-256, base64url. @see https://www.rfc-editor.org/rfc/rfc9449#section-6 */
  readonly jkt?: string;
  /** SHA-256 of a certificate in DER, base64url. @see https://www.rfc-editor.org/rfc/rfc8705#section-3 */
  readonly x5tS256?: string;
  /** Fingerprint of an SSH public key as `ssh-keygen -l` shows it: `SHA256:...`. */
  readonly ssh?: string;
}
