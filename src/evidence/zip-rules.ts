import { PosternError } from '../core/errors.ts';

/** More files than any package has. */
const MOST_FILES = 5_000_000;
/** What unpacks to more than so many times its size is no package. */
const MOST_RATIO = 200;
const ALWAYS_ALLOWED = 64 * 1024 * 1024;
/** The names that packages are made of: no backslash, no colon, no part that begins with two dots, no absolute path. */
const NAME = /^(?!.*(^|\/)\.{1,2}(\/|$))[A-Za-z0-9_.-]+(\/[A-Za-z0-9_.-]+)*$/;

/** Keeps a hostile zip to what an evidence package is: plain files under plain names, not too many, not too large. */
export class ZipRules {
  readonly #seen = new Set<string>();
  #left: number;

  /** @param bytes size of the zip */
  constructor(bytes: number) {
    this.#left = bytes * MOST_RATIO + ALWAYS_ALLOWED;
  }

  /**
   * Takes note of a file.
   *
   * @param attributes the external file attributes of its entry
   * @throws PosternError POSTERN_INVALID where no package has such a file
   */
  admit(name: string, bytes: number, attributes: number): void {
    if (name.length > 512 || !NAME.test(name))
      throw notAPackage('it has a file of a name that no package has');
    if (this.#seen.has(name)) throw notAPackage(`it has two files of the name ${name}`);
    if (this.#seen.size >= MOST_FILES) throw notAPackage('it has too many files');
    const type = (attributes >>> 16) & 0o170000;
    if (type !== 0 && type !== 0o100000) throw notAPackage(`${name} is not a plain file`);
    this.#seen.add(name);
    this.#left -= bytes;
    if (this.#left < 0) throw notAPackage('it unpacks to more than any evidence package does');
  }
}

/** What is said of a zip that cannot be an evidence package. */
export function notAPackage(why: string): PosternError {
  return new PosternError(
    'POSTERN_INVALID',
    `The zip cannot be taken for an evidence package: ${why.replace(/\.+$/, '')}.`,
  );
}
