/**
 * The page that verifies an evidence package in a browser, offline: one script for both of its sides. The verification is the
 * command line's own code (`verify-package.ts`); the build (`scripts/build-verify-page.ts`) puts `crypto.ts` and `bytes.ts` in
 * the places of `node:crypto` and `Buffer`.
 */
import { Page } from './page.ts';
import { runWorker } from './worker.ts';

if (typeof document === 'undefined') runWorker();
else new Page(document.currentScript?.textContent ?? '');
