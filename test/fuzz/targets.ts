import { HTTP_MASK_TARGETS } from './http-mask-targets.ts';
import { IDENTITY_TARGETS } from './identity-targets.ts';
import { LEDGER_TARGETS } from './ledger-targets.ts';
import { MASK_TARGETS } from './mask-targets.ts';
import { POSTGRES_TARGETS } from './postgres-targets.ts';
import { PROOF_TARGETS } from './proof-targets.ts';
import type { FuzzTarget } from './target.ts';
import { VAULT_TARGETS } from './vault-targets.ts';

/** Everything that reads bytes of a client, a server, a file or a package. */
export const TARGETS: readonly FuzzTarget[] = [
  ...POSTGRES_TARGETS,
  ...MASK_TARGETS,
  ...HTTP_MASK_TARGETS,
  ...IDENTITY_TARGETS,
  ...PROOF_TARGETS,
  ...VAULT_TARGETS,
  ...LEDGER_TARGETS,
];

export function targetNamed(name: string): FuzzTarget {
  const target = TARGETS.find((each) => each.name === name);
  if (target === undefined) {
    throw new Error(`there is no target ${name}; there are: ${TARGETS.map((each) => each.name).join(', ')}`);
  }
  return target;
}
