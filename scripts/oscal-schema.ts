/** The official JSON schema of OSCAL, as a check of one file. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv, type ErrorObject } from 'ajv';
import formats from 'ajv-formats';
import { OSCAL_VERSION } from '../src/evidence/oscal/parts.ts';

/** As its publishers name it. */
const FILE = `oscal_complete_schema-${OSCAL_VERSION}.json`;

/**
 * @param dir folder with the official schemas
 * @returns what the schema says against the text of a file; nothing where it is valid
 * @throws Error where the folder has no schema of the version that Postern writes
 */
export function oscalSchema(dir: string): (text: string) => readonly string[] {
  const path = join(dir, FILE);
  if (!existsSync(path)) {
    throw new Error(
      `${path} is not there. It is the JSON schema that NIST publishes with OSCAL ${OSCAL_VERSION} (https://github.com/usnistgov/OSCAL/releases).`,
    );
  }
  // Its patterns have classes of Unicode, and some of its words no other schema knows.
  const ajv = new Ajv({ strict: false, allErrors: true, unicodeRegExp: true });
  formats.default(ajv);
  const valid = ajv.compile(JSON.parse(readFileSync(path, 'utf8')) as object);
  return (text) => {
    const file = JSON.parse(text) as Record<string, unknown>;
    return valid(file) ? [] : told(valid.errors ?? [], Object.keys(file)[0] ?? '');
  };
}

/** The schema is a choice of all models: what the others say against a file of this one is left out. */
function told(errors: readonly ErrorObject[], model: string): readonly string[] {
  const own = errors.filter(({ instancePath }) => instancePath.startsWith(`/${model}`));
  return (own.length === 0 ? errors : own).map(
    ({ instancePath, message, params }) => `${instancePath || '/'} ${message} ${JSON.stringify(params)}`,
  );
}
