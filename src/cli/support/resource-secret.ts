import { usageError } from './failure.ts';
import { askSecret } from './prompt.ts';
import { readSecret } from './secret-file.ts';

/** A password, or a reference to where it is kept. */
export type Whence = { readonly password: string } | { readonly source: string };

/** The upstream password that a command is given: a reference, from a file, else from the environment, else by asking. */
export function upstreamPassword(file: string | undefined, source: string | undefined): Promise<Whence> {
  return whence(file, source, 'upstream password', 'POSTERN_UPSTREAM_PASSWORD');
}

/** The same of the administering user. */
export function adminPassword(file: string | undefined, source: string | undefined): Promise<Whence> {
  return whence(file, source, 'administering password', 'POSTERN_ADMIN_PASSWORD');
}

async function whence(
  file: string | undefined,
  source: string | undefined,
  what: string,
  variable: string,
): Promise<Whence> {
  if (file !== undefined && source !== undefined) throw usageError(`the ${what} is said twice`);
  if (source !== undefined) return { source };
  if (file !== undefined) return { password: readSecret(file, `the ${what}`) };
  const given = process.env[variable];
  if (given) return { password: given };
  const asked = `${what[0]?.toUpperCase()}${what.slice(1)}`;
  return { password: await askSecret(asked, `Use a password file or ${variable}.`) };
}
