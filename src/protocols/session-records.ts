import { uuidv7 } from '../core/ids.ts';
import type { MaskedColumn, RecordType } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import type { CredentialView, GrantView, PrincipalView, ResourceView } from '../core/views.ts';

/** Who and where a session is: what all its records say. */
export interface SessionIdentity {
  readonly session: string;
  readonly principal: PrincipalView;
  readonly credential: CredentialView;
  readonly resource: ResourceView;
  readonly source: string;
}

/**
 * Writes the records of one session as JSON text (shapes: `src/core/record.ts`). What every record of the session repeats is
 * made once, and what a statement's records repeat once a statement: a record costs one concatenation.
 */
export class SessionRecords {
  readonly #common: string;

  /** @param protocol as the records name it */
  constructor(who: SessionIdentity, protocol: string) {
    const principal = ref(who.principal);
    const { delegation } = who.credential;
    this.#common =
      `"actor":{"kind":"principal",${principal}},"principal":{${principal}},"session":"${who.session}",` +
      (delegation === undefined ? '' : `${members({ delegation })},`) +
      `"resource":{${ref(who.resource)}},"protocol":"${protocol}"`;
  }

  opened(fields: object): string {
    return this.#record('session.opened', uuidv7(), nowMicros(), members(fields));
  }

  closed(fields: object): string {
    return this.#record('session.closed', uuidv7(), nowMicros(), members(fields));
  }

  /** @param fragment of {@link allowFragment} */
  intent(id: string, micros: number, fragment: string): string {
    return this.#record('command.intent', id, micros, fragment);
  }

  denied(id: string, fields: object): string {
    return this.#record('command.denied', id, nowMicros(), members(fields));
  }

  outcome(
    intent: string,
    micros: number,
    status: 'ok' | 'error' | 'skipped' | 'unknown',
    code: string,
    rows: number,
    bytes: number,
    durationUs: number,
    masked: readonly MaskCount[] = [],
    digest: string | null = null,
    body: { readonly bytes: number; readonly sha256: string | null } | null = null,
  ): string {
    let tail = digest === null ? '' : `,"digest":"${digest}"`;
    if (body !== null) tail += `,${members({ body })}`;
    if (masked.length > 0)
      tail += `,"masked":${JSON.stringify(masked.slice(0, MAX_MASKED).map(maskedField))}`;
    return this.#record(
      'command.outcome',
      uuidv7(),
      micros,
      `"intent":"${intent}","status":"${status}","code":${JSON.stringify(code)},"rows":${rows},"bytes":${bytes},"durationUs":${durationUs}${tail}`,
    );
  }

  #record(type: RecordType, id: string, micros: number, rest: string): string {
    return `{"id":"${id}","time":"${rfc3339(micros)}","type":"${type}",${this.#common},${rest}}`;
  }
}

/** The part of an intent that is the same for every run of one statement under one grant. */
export function allowFragment(
  what: {
    readonly verbs: readonly string[];
    readonly objects: readonly string[];
    readonly fingerprint: string | null;
  },
  grant: GrantView,
): string {
  const decision = { effect: 'allow', rule: 'grant' };
  return members({ ...what, grant: grant.id, decision });
}

/** What was masked in one column of a result, or in one place of a body. */
export interface MaskCount {
  readonly column: string;
  readonly rule: { readonly id: string; readonly revision: number };
  readonly rows: number;
}

/** Columns named in one record. */
const MAX_MASKED = 100;

function maskedField({ column, rule, rows }: MaskCount): MaskedColumn {
  return {
    column: column.slice(0, 150),
    rule: rule.id === '' ? null : rule.id,
    revision: rule.revision,
    rows,
  };
}

/** A refused connection, or request, of a known principal. */
export function refusedRecord(
  protocol: string,
  principal: { readonly id: string; readonly name: string },
  resource: { readonly id: string; readonly name: string } | undefined,
  fields: {
    readonly source: string;
    readonly code: string;
    readonly reason: string;
    /** How many like it, where it stands for several. */
    readonly repeated?: number;
  },
): string {
  const who = ref(principal);
  const at = resource === undefined ? '' : `"resource":{${ref(resource)}},`;
  return (
    `{"id":"${uuidv7()}","time":"${rfc3339(nowMicros())}","type":"session.refused",` +
    `"actor":{"kind":"principal",${who}},"principal":{${who}},"session":"${uuidv7()}",${at}"protocol":"${protocol}",` +
    `${members(fields)}}`
  );
}

function ref(thing: { readonly id: string; readonly name: string }): string {
  return members({ id: thing.id, name: thing.name });
}

/** An object's JSON without its braces. */
function members(fields: object): string {
  return JSON.stringify(fields).slice(1, -1);
}
