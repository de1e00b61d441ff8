/** What a control plane is opened with. */

import type { ChangeRecord } from '../core/record.ts';
import type { Delta } from '../core/views.ts';
import type { StsAccess } from '../identity/aws-prover.ts';
import type { fetchBundle } from '../identity/bundles.ts';
import type { fetchIssuerKeys } from '../identity/issuers.ts';
import type { Cluster } from '../identity/review-prover.ts';
import type { ChangeSink } from '../store/changes.ts';
import type { Keyring } from '../vault/keyring.ts';
import type { MasterKey } from '../vault/master-key.ts';
import type { SecretSources } from '../vault/sources/sources.ts';
import type { ValidateScope } from './scopes.ts';
import type { UpstreamDoor } from './secret-rotation.ts';

export interface ControlOptions {
  readonly dataDir: string;
  /** Where change records go. `sync`, where it has one, is awaited before a change counts. */
  readonly sink: ChangeSink;
  /** Tells every worker; resolves when all of them have it. Called in order, one call at a time. */
  readonly publish: (delta: Delta) => Promise<void>;
  /** Has all journals begun anew, and those so far taken into the log and deleted: after an erasure. */
  readonly emptyJournals?: () => Promise<void>;
  /** Change records that may not have been applied yet (leftover journals), in order. */
  readonly leftover?: Iterable<ChangeRecord>;
  /** Default: that of the data directory. */
  readonly keyring?: Keyring;
  /** The master key as it is provided now, when it is to be changed; null (the default) where it is Postern's to make. */
  readonly nextMasterKey?: () => Promise<MasterKey | null>;
  /** Has every thread take the data keys as they are; resolves when none uses others. */
  readonly keysChanged?: () => Promise<void>;
  /** URL under which clients reach the API, as in the tokens that it signs. Without a slash at its end. */
  readonly issuer?: () => string;
  readonly validateScope?: ValidateScope;
  /** Microseconds since the Unix epoch, for countdowns of days. */
  readonly clock?: () => number;
  /** How passwords are tried and replaced at resources. */
  readonly door?: UpstreamDoor;
  /** Where passwords may be that are kept elsewhere. Default: nowhere. */
  readonly sources?: SecretSources;
  /** How often they are read again, and how long what was read counts while a source is silent, in milliseconds. */
  readonly sourceRefreshMs?: number;
  readonly sourceStaleMs?: number;
  /** Default: over https. */
  readonly fetchIssuerKeys?: typeof fetchIssuerKeys;
  /** Platforms that are asked about identities, as the operator configured them. */
  readonly platforms?: { readonly sts?: StsAccess; readonly clusters?: readonly Cluster[] };
  /** Default: over https. */
  readonly fetchBundle?: typeof fetchBundle;
  /** Told of faults that no caller hears of; `error` is null when sweeping works again. */
  readonly onFault?: (
    what: 'sweep' | 'vault' | 'issuer' | 'source' | 'trust' | 'notify',
    error: unknown,
  ) => void;
}
