import { PosternError } from '../../core/errors.ts';

/** Where a password is that is not kept in the vault: `scheme://source/path#field`. */
export interface SecretReference {
  readonly scheme: string;
  /** Name of a source of the configuration. A reference names no host: those are the operator's to say. */
  readonly source: string;
  readonly path: readonly string[];
  readonly field: string | null;
}

export interface SecretValue {
  readonly value: string;
  /** What changes with the value, as far as the source says; empty where it says nothing. */
  readonly version: string;
}

/** One place where secrets are, as the configuration describes it. */
export interface SecretSource {
  readonly scheme: string;
  /** @throws PosternError POSTERN_INVALID where no reference to this source looks so */
  check(reference: SecretReference): void;
  /** @throws Error whose message holds nothing of a secret, and nothing of what the source answered */
  read(reference: SecretReference, signal: AbortSignal): Promise<SecretValue>;
}

export const REFERENCE_MAX = 1000;
const FORM =
  /^([a-z][a-z0-9+-]{0,19}):\/\/([a-z0-9][a-z0-9._-]{0,62})\/([^#]{1,600})(?:#([A-Za-z0-9._-]{1,253}))?$/;
const SEGMENT = /^[A-Za-z0-9_.@+=:-]{1,253}$/;

/** @throws PosternError POSTERN_INVALID */
export function parseReference(text: string): SecretReference {
  const match = text.length <= REFERENCE_MAX ? FORM.exec(text) : null;
  const [, scheme = '', source = '', path = '', field = null] = match ?? [];
  const segments = path.split('/');
  const plain = segments.every((each) => SEGMENT.test(each) && each !== '.' && each !== '..');
  if (match === null || !plain) {
    throw new PosternError(
      'POSTERN_INVALID',
      'This is no reference to a secret.',
      'Write scheme://source/path#field, such as vault+kv://bank/secret/ledger-db#password; docs/vault.md has all forms.',
    );
  }
  return { scheme, source, path: segments, field };
}

/** @throws PosternError POSTERN_INVALID that names the form that a reference has there */
export function notThatForm(form: string): PosternError {
  return new PosternError(
    'POSTERN_INVALID',
    'The reference is not of the form of its source.',
    `Write ${form}.`,
  );
}
