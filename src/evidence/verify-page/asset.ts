import { readFileSync } from 'node:fs';

/** The built page that verifies packages in a browser (`scripts/build-verify-page.ts` makes it). */
export function verifyPage(): string {
  return readFileSync(new URL('./verify.html', import.meta.url), 'utf8');
}
