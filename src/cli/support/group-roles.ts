import { usageError } from './failure.ts';

/** `GROUP=role+role`, one for each group, as the API has it. @throws CliError */
export function groupRoles(given: readonly string[]): Record<string, readonly string[]> {
  return Object.fromEntries(
    given.map((text) => {
      const at = text.lastIndexOf('=');
      if (at < 1)
        throw usageError(
          `"${text}" does not say which roles a group gives`,
          'Such as "DB admins=admin+owner".',
        );
      const roles = text
        .slice(at + 1)
        .split('+')
        .filter((role) => role !== '');
      return [text.slice(0, at), roles];
    }),
  );
}
