import { isDeepStrictEqual } from 'node:util';
import type { Finding } from '../../core/alert-finding.ts';
import { type AlertRuleName, changedSetting, type Parameters } from '../../core/alert-rules.ts';
import { PosternError } from '../../core/errors.ts';
import type { Actor } from '../../core/record.ts';
import { rfc3339 } from '../../core/time.ts';
import { checkReason } from '../../identity/input.ts';
import { SYSTEM } from '../../identity/persons.ts';
import {
  type AlertFilter,
  countUnresolvedAlerts,
  findAlert,
  findAlertRules,
  listAlerts,
} from '../../store/alerts.ts';
import type { Change, ChangeLog } from '../../store/changes.ts';
import type { Alert, AlertDisposition, AlertRules, Person } from '../../store/entities.ts';
import { findPerson, found, type Page } from '../../store/queries.ts';
import type { StateDb } from '../../store/store.ts';
import { refOf } from '../request-outcomes.ts';
import {
  closingRefusal,
  expecting,
  isExpected,
  revocation,
  rulesChange,
  STANDARD_RULES,
} from './dispositions.ts';
import { raised } from './raise.ts';

export interface NewDisposition {
  readonly kind: AlertDisposition['kind'];
  readonly reason: string;
  /** Of `revoked`. */
  readonly what?: 'grants' | 'principal' | undefined;
  /** Of `false_positive`: whether what it names is to be expected from now on. */
  readonly expect?: boolean | undefined;
}

export interface RuleChange {
  readonly enabled?: boolean | undefined;
  readonly parameters?: Parameters | undefined;
}

/** What was found out of the ordinary, and what people make of it. */
export class Alerts {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;
  readonly #clock: () => number;

  /** @param clock microseconds since the Unix epoch */
  constructor(db: StateDb, changes: ChangeLog, clock: () => number) {
    this.#db = db;
    this.#changes = changes;
    this.#clock = clock;
  }

  list(filter: AlertFilter, page?: Page): Promise<Alert[]> {
    return listAlerts(this.#db, filter, page);
  }

  /** How many of a principal (id) nobody has closed. */
  unresolved(principal: string): Promise<number> {
    return countUnresolvedAlerts(this.#db, principal);
  }

  /** @throws PosternError POSTERN_NOT_FOUND */
  async get(id: string): Promise<Alert> {
    return found(await findAlert(this.#db, id), 'alert', id);
  }

  async rules(): Promise<AlertRules> {
    return (await findAlertRules(this.#db)) ?? STANDARD_RULES;
  }

  /**
   * Puts the rules in force where nobody has: what comes after this record in the log raises alerts, and what came before is learnt.
   *
   * @throws PosternError POSTERN_AUDIT_UNAVAILABLE
   */
  async begin(): Promise<void> {
    if ((await findAlertRules(this.#db)) !== undefined) return;
    await this.#changes.run(SYSTEM, async (db) => {
      const there = await findAlertRules(db);
      const change = rulesChange(null, STANDARD_RULES, 'alerts are raised from here on');
      return { changes: there === undefined ? [change] : [], result: null };
    });
  }

  /**
   * Raises what was found. What was taken before is passed over, so it does no harm to bring it again.
   *
   * @param findings in the order of their leaves, with all that there are of each leaf
   * @returns the alerts that are new
   * @throws PosternError POSTERN_AUDIT_UNAVAILABLE: bring them again
   */
  take(findings: readonly Finding[]): Promise<readonly Alert[]> {
    return this.#changes.run(SYSTEM, async (db) => {
      const changes = await raised(db, findings, this.#clock());
      const fresh = changes.filter(({ type }) => type === 'alert.raised');
      return { changes, result: fresh.map(({ after }) => after as Alert) };
    });
  }

  /** @throws PosternError POSTERN_CONFLICT where somebody has already */
  acknowledge(actor: Actor, id: string, reason: string): Promise<Alert> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = found(await findAlert(db, id), 'alert', id);
      if (before.status !== 'open') throw notOpen(before);
      const acknowledged = { by: refOf(actor), at: rfc3339(this.#clock()), reason: why };
      const after: Alert = { ...before, status: 'acknowledged', acknowledged };
      return { changes: [alertChange('alert.acknowledged', before, after, why)], result: after };
    });
  }

  /**
   * Closes an alert; what the decision ends ends in the same change.
   *
   * @throws PosternError POSTERN_FORBIDDEN to who could have caused it, and the like; POSTERN_CONFLICT where it is closed
   */
  dispose(actor: Actor, id: string, input: NewDisposition): Promise<Alert> {
    const reason = checkReason(input.reason);
    const { kind } = input;
    if ((kind === 'revoked') !== (input.what !== undefined)) {
      throw new PosternError(
        'POSTERN_INVALID',
        'To revoke, and only then, say what: grants or the principal.',
      );
    }
    if (input.expect === true && kind !== 'false_positive') {
      throw new PosternError('POSTERN_INVALID', 'Only what is a false positive is to be expected.');
    }
    return this.#changes.run(actor, async (db) => {
      const before = found(await findAlert(db, id), 'alert', id);
      if (before.status === 'closed') throw notOpen(before);
      await this.#requireCloser(db, before, actor, input);
      const at = rfc3339(this.#clock());
      const { what, expect = false } = input;
      const ends = what === undefined ? [] : await revocation(db, before, what, at, reason);
      const tuned = expect ? await expecting(db, before, `alert ${id}: ${reason}`) : [];
      const disposition: AlertDisposition = {
        ...{ kind, by: refOf(actor), at, reason },
        suspended: ends.some(({ entity }) => entity === 'principal'),
        grants: ends.filter(({ entity }) => entity === 'grant').map(({ after }) => after.id),
      };
      const after: Alert = { ...before, status: 'closed', disposition };
      const type = kind === 'explained' ? 'alert.explained' : 'alert.resolved';
      return { changes: [alertChange(type, before, after, reason), ...ends, ...tuned], result: after };
    });
  }

  /** Why a person does not close it this way; null where they may. */
  refusal(alert: Alert, person: Person, kind: AlertDisposition['kind']): Promise<string | null> {
    return closingRefusal(this.#db, alert, person, kind);
  }

  /** Sets a rule anew, from the next record on. @throws PosternError POSTERN_INVALID */
  set(actor: Actor, rule: AlertRuleName, change: RuleChange, reason: string): Promise<AlertRules> {
    const why = checkReason(reason);
    return this.#changeRules(actor, why, (known) => ({
      ...known,
      rules: { ...known.rules, [rule]: changedSetting(rule, known.rules[rule], change) },
    }));
  }

  /**
   * Takes back that something is to be expected.
   *
   * @param principal id
   * @throws PosternError POSTERN_NOT_FOUND
   */
  forget(
    actor: Actor,
    rule: AlertRuleName,
    { principal, value }: { readonly principal: string; readonly value: string },
    reason: string,
  ): Promise<AlertRules> {
    const why = checkReason(reason);
    return this.#changeRules(actor, why, (known) => {
      if (!isExpected(known, rule, principal, value)) {
        throw new PosternError('POSTERN_NOT_FOUND', 'That is not expected.');
      }
      const expected = known.expected.filter(
        (each) => each.rule !== rule || each.principal !== principal || each.value !== value,
      );
      return { ...known, expected };
    });
  }

  #changeRules(
    actor: Actor,
    reason: string,
    changed: (known: AlertRules) => AlertRules,
  ): Promise<AlertRules> {
    return this.#changes.run(actor, async (db) => {
      const before = (await findAlertRules(db)) ?? null;
      const after = changed(before ?? STANDARD_RULES);
      if (isDeepStrictEqual(before, after)) return { changes: [], result: after };
      return { changes: [rulesChange(before, after, reason)], result: after };
    });
  }

  async #requireCloser(db: StateDb, alert: Alert, actor: Actor, input: NewDisposition): Promise<void> {
    const person = actor.kind === 'person' ? await findPerson(db, actor.id) : undefined;
    if (person?.status !== 'active') {
      throw new PosternError('POSTERN_FORBIDDEN', 'A person closes an alert, and no principal.');
    }
    if (input.expect === true && !person.roles.includes('admin')) {
      throw new PosternError('POSTERN_FORBIDDEN', 'An administrator says what is to be expected.');
    }
    const refusal = await closingRefusal(db, alert, person, input.kind);
    if (refusal === null) return;
    throw new PosternError(
      'POSTERN_FORBIDDEN',
      `${refusal}, and does not close this alert so.`,
      'Somebody else looks at it. What has to stop at once: postern principal suspend',
    );
  }
}

function notOpen({ status, disposition, acknowledged }: Alert): PosternError {
  const by = (disposition ?? acknowledged)?.by.name ?? 'somebody';
  const done = disposition === null ? status : `closed (${disposition.kind})`;
  return new PosternError('POSTERN_CONFLICT', `The alert was ${done} already, by ${by}.`);
}

function alertChange(
  type: 'alert.acknowledged' | 'alert.explained' | 'alert.resolved',
  before: Alert,
  after: Alert,
  reason: string,
): Change {
  return { type, entity: 'alert', before, after, principal: after.principal, reason };
}
