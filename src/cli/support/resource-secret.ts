import { askSecret } from './prompt.ts';
import { readSecret } from './secret-file.ts';

/** The upstream password that a command is given: from a file, else from the environment, else by asking. */
export async function upstreamPassword(file: string | undefined): Promise<string> {
  if (file !== undefined) return readSecret(file, 'the upstream password');
  const given = process.env.POSTERN_UPSTREAM_PASSWORD;
  if (given) return given;
  return askSecret('Upstream password', 'Use --password-file FILE or POSTERN_UPSTREAM_PASSWORD.');
}

/** The same of the administering user. */
export async function adminPassword(file: string | undefined): Promise<string> {
  if (file !== undefined) return readSecret(file, 'the administering password');
  const given = process.env.POSTERN_ADMIN_PASSWORD;
  if (given) return given;
  return askSecret('Administering password', 'Use a password file or POSTERN_ADMIN_PASSWORD.');
}
