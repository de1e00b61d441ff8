/**
 * Ends with 0 when node_modules holds what package-lock.json asks for, else with 1. Compares against the list
 * that npm itself leaves in node_modules. Runs on any Node from 16 on, before anything is installed.
 */
const { existsSync, readFileSync } = require('node:fs');
const { join } = require('node:path');

const root = join(__dirname, '..');

/** @param {string} file */
function packages(file) {
  return JSON.parse(readFileSync(join(root, file), 'utf8')).packages;
}

function isInstalled() {
  const list = 'node_modules/.package-lock.json';
  if (!existsSync(join(root, list))) return false;
  const present = packages(list);
  return Object.entries(packages('package-lock.json')).every(([path, wanted]) => {
    if (path === '') return true;
    const found = present[path];
    // Packages for other platforms, and what only they need, are in the lockfile but not installed.
    if (found === undefined) return wanted.optional === true;
    return (
      found.version === wanted.version &&
      found.integrity === wanted.integrity &&
      existsSync(join(root, path, 'package.json'))
    );
  });
}

process.exitCode = isInstalled() ? 0 : 1;
