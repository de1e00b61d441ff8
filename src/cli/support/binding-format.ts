/** Bindings, a line each. */

import type { Binding } from './api-types.ts';
import { paintStatus } from './columns.ts';
import type { Column } from './table.ts';
import { formatTime } from './time.ts';

/** What proves it, in one line. */
function provenBy(binding: Binding): string {
  switch (binding.kind) {
    case 'oidc': {
      const all = Object.entries({ ...binding.claims, ...binding.contains });
      const claims = all.map(([name, value]) => `${name}=${value}`);
      return `${binding.issuer} for ${binding.audience}: ${claims.join(' ')}`;
    }
    case 'secret':
      return `exception until ${formatTime(binding.expiresAt)}, ${agreement(binding)}: ${binding.reason}`;
    default: {
      const { id, principal, kind, status, endReason, endedAt, createdAt, ...proof } = binding;
      const said = Object.entries(proof).filter(([, value]) => value !== null);
      return said
        .map(([name, value]) => `${name}=${typeof value === 'object' ? JSON.stringify(value) : value}`)
        .join(' ');
    }
  }
}

/** Who stands behind a static secret. */
function agreement({ approver, approvedAt }: Extract<Binding, { readonly kind: 'secret' }>): string {
  return approvedAt === null ? `${approver.name} has yet to agree` : `${approver.name} agreed`;
}

/** The word that people look for; the API calls it `secret`. */
const kindOf = ({ kind }: Binding): string => (kind === 'secret' ? 'static secret' : kind);

export const BINDING_COLUMNS: readonly Column<Binding>[] = [
  { title: 'binding', value: (row) => row.id },
  { title: 'kind', value: kindOf },
  { title: 'status', value: (row) => row.status, paint: paintStatus },
  { title: 'proof', value: provenBy, shrinkTo: 24 },
];
