import { join } from 'node:path';
import { type Connection, type Profile, profileDirectory } from './connection.ts';
import { writePrivateFile } from './secret-file.ts';

export const profileFile = (env: NodeJS.ProcessEnv): string => join(profileDirectory(env), 'profile.json');

/**
 * Keeps a token for later commands, readable by its owner only, with the installation that it is for.
 *
 * @param token null signs out
 * @returns the file
 * @throws Error when it cannot be written
 */
export function writeProfile(
  { api, ca }: Connection,
  { token, expiresAt }: Pick<Profile, 'token' | 'expiresAt'>,
): string {
  const caFile = ca && join(profileDirectory(process.env), 'ca.crt');
  if (caFile && ca.file !== caFile) writePrivateFile(caFile, ca.pem);
  const file = profileFile(process.env);
  const profile: Profile = { api, caFile, token, expiresAt };
  writePrivateFile(file, `${JSON.stringify(profile, null, 2)}\n`);
  return file;
}
