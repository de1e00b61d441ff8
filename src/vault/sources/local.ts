import { closeSync, fstatSync, openSync, readFileSync, realpathSync } from 'node:fs';
import { join, sep } from 'node:path';
import { secretText } from './https.ts';
import { notThatForm, type SecretReference, type SecretSource, type SecretValue } from './reference.ts';

/** A folder of files: `file://source/name`. Links may lead about within it, as those of mounted secrets do, but not out of it. */
export class SecretFiles implements SecretSource {
  readonly scheme = 'file';
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  check({ field }: SecretReference): void {
    if (field !== null) throw notThatForm('file://source/name');
  }

  async read({ path }: SecretReference): Promise<SecretValue> {
    const root = realpathSync(this.#directory);
    const real = realpathSync(join(root, ...path));
    if (!real.startsWith(root + sep)) throw new Error('leads out of its folder');
    const file = openSync(real, 'r');
    try {
      const { mode, size, mtimeMs } = fstatSync(file);
      if ((mode & 0o027) !== 0)
        throw new Error('can be read by everybody, or written by others than its owner');
      if (size > 4096) throw new Error('is too long');
      return {
        value: secretText(readFileSync(file, 'utf8').replace(/\r?\n$/, '')),
        version: String(mtimeMs),
      };
    } finally {
      closeSync(file);
    }
  }
}

const PREFIX = 'POSTERN_SECRET_';

/**
 * The environment in which Postern was started: `env://source/NAME` is `POSTERN_SECRET_NAME`. They are taken out of it, so that no
 * process that is started later inherits them.
 */
export class SecretEnvironment implements SecretSource {
  readonly scheme = 'env';
  readonly #values = new Map<string, string>();

  constructor(environment: NodeJS.ProcessEnv = process.env) {
    for (const [name, value] of Object.entries(environment)) {
      if (!name.startsWith(PREFIX) || value === undefined) continue;
      this.#values.set(name.slice(PREFIX.length), value);
      delete environment[name];
    }
  }

  check({ path, field }: SecretReference): void {
    if (path.length !== 1 || field !== null || !/^[A-Z0-9_]+$/.test(path[0] ?? ''))
      throw notThatForm('env://source/NAME');
  }

  async read({ path }: SecretReference): Promise<SecretValue> {
    return { value: secretText(this.#values.get(path[0] ?? '')), version: '' };
  }
}
