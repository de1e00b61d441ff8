import type { AlertRuleSettings, Expected } from '../../core/alert-rules.ts';
import type {
  ChangeRecord,
  CommandDenied,
  CommandIntent,
  RecordBase,
  Ref,
  SessionClosed,
  SessionOpened,
  SessionRefused,
} from '../../core/record.ts';
import type { CommonPart } from '../../ledger/record-scan.ts';
import type { IndexedEntry } from '../../ledger/tiles.ts';
import { EntryScanner, type ScannedEntry } from '../entry-scan.ts';
import { networkOf } from '../networks.ts';
import { microsOf } from '../times.ts';
import type { Detector, Habitual } from './detector.ts';

/** What commands have in common is remembered for so many of them. */
const HABITUAL_MAX = 8192;

/** By these the client had shown to be the principal before it was refused; by others anybody may have named it. */
const PROVEN: ReadonlySet<string> = new Set([
  ...['POSTERN_GRANT_MISSING', 'POSTERN_GRANT_EXPIRED', 'POSTERN_GRANT_REVOKED'],
  ...['POSTERN_CONDITION_DENIED', 'POSTERN_RESOURCE_UNKNOWN'],
]);
const UNPROVEN = 'POSTERN_AUTH_FAILED';

/** Reads leaves and tells a detector of what they say. */
export class Watch {
  readonly #detector: Detector;
  readonly #scanner = new EntryScanner();
  readonly #habitual = new Map<CommonPart, Habitual | null>();
  #lastTime: number;

  /** @param lastTime of the last leaf that the detector was told of, microseconds */
  constructor(detector: Detector, lastTime: number) {
    this.#detector = detector;
    this.#lastTime = lastTime;
  }

  get lastTime(): number {
    return this.#lastTime;
  }

  take({ index: leaf, entry }: IndexedEntry): void {
    const scanned = this.#scanner.scan(entry);
    if (scanned !== null) {
      this.#takeScanned(leaf, scanned);
      return;
    }
    const record = JSON.parse(entry.toString()) as RecordBase;
    this.#takeRecord({ leaf, time: this.#timeOf(record.time) }, record);
  }

  #takeScanned(leaf: number, { time, common, outcome }: ScannedEntry): void {
    if (outcome !== null) {
      const { principal, session } = common.members as Partial<CommandIntent>;
      // By its status: of those that went well there are most.
      if (outcome.status !== 'error' || principal === undefined || session === undefined) return;
      this.#detector.failed(principal, session, outcome.code);
      return;
    }
    let habitual = this.#habitual.get(common);
    if (habitual === undefined) {
      if (this.#habitual.size >= HABITUAL_MAX) this.#habitual.clear();
      habitual = habitualOf(common.members as Partial<CommandIntent>);
      this.#habitual.set(common, habitual);
    }
    const at = { leaf, time: this.#timeOf(time) };
    if (habitual !== null) this.#detector.ran(at, habitual);
  }

  #takeRecord(at: { readonly leaf: number; readonly time: number }, record: RecordBase): void {
    const { principal, type } = record;
    const detector = this.#detector;
    if (type === 'service.started') detector.restarted();
    else if (type === 'config.changed') {
      const change: Partial<ChangeRecord['change']> = (record as ChangeRecord).change ?? {};
      if (change.entity === 'alert_rules') detector.set(change.after as InForceRecord);
    }
    if (principal === undefined) return;
    switch (type) {
      case 'session.opened': {
        const { session: id, source, resource = null, client } = record as SessionOpened;
        const network = typeof source === 'string' ? networkOf(source) : null;
        detector.opened(at, principal, { id, network, resource, client: client ?? null });
        return;
      }
      case 'session.closed':
        detector.closed(principal, (record as SessionClosed).session);
        return;
      case 'session.refused': {
        const { code, resource = null, repeated = 1 } = record as SessionRefused;
        const proven = PROVEN.has(code);
        if (proven || code === UNPROVEN) detector.refused(at, principal, resource, proven, repeated);
        return;
      }
      case 'command.intent': {
        const habitual = habitualOf(record as CommandIntent);
        if (habitual !== null) detector.ran(at, habitual);
        return;
      }
      case 'command.denied': {
        const { resource, session, decision } = record as CommandDenied;
        detector.denied(at, principal, { resource: resource ?? null, session, code: decision?.code ?? '' });
        return;
      }
      case 'command.outcome': {
        const { session, status, code } = record as unknown as { session: string; [of: string]: string };
        if (status === 'error') detector.failed(principal, session, code ?? '');
        return;
      }
      case 'binding.locked':
        detector.cloned(at, principal, (record as ChangeRecord).change?.id ?? '');
    }
  }

  /** A leaf whose time cannot be read stands at the time of the leaf before it. */
  #timeOf(time: string): number {
    try {
      this.#lastTime = microsOf(time);
    } catch {
      // That of the leaf before.
    }
    return this.#lastTime;
  }
}

interface InForceRecord {
  readonly rules: AlertRuleSettings;
  readonly expected: readonly Expected[];
}

function habitualOf(record: Partial<CommandIntent>): Habitual | null {
  const { principal, resource, session } = record;
  if (principal === undefined || resource === undefined || session === undefined) return null;
  const { verbs = [], objects = [], fingerprint = null } = record;
  const ref = ({ id, name }: Ref): Ref => ({ id, name });
  const looked = { hour: -1, forgotten: -1 };
  return {
    principal: ref(principal),
    resource: ref(resource),
    session,
    verbs,
    objects,
    fingerprint,
    ...looked,
  };
}
