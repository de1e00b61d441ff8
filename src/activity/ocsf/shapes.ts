/**
 * Records as events of the Open Cybersecurity Schema Framework, so that whoever collects events elsewhere need not know
 * Postern's own. One version of the schema is written, and named in each event.
 *
 * @see https://schema.ocsf.io/1.8.0
 */
import type { Actor, Ref } from '../../core/record.ts';
import { microsOf } from '../times.ts';

/** The version of the schema whose shapes are written. */
export const OCSF_VERSION = '1.8.0';

/** An event: JSON, its attributes in a fixed order. */
export type OcsfEvent = Readonly<Record<string, unknown>>;

/** A class of events with the category it is in. */
export interface OcsfClass {
  readonly uid: number;
  readonly name: string;
  readonly category: string;
}

export const CLASSES = {
  account: { uid: 3001, name: 'Account Change', category: 'Identity & Access Management' },
  authentication: { uid: 3002, name: 'Authentication', category: 'Identity & Access Management' },
  entity: { uid: 3004, name: 'Entity Management', category: 'Identity & Access Management' },
  access: { uid: 3005, name: 'User Access Management', category: 'Identity & Access Management' },
  api: { uid: 6003, name: 'API Activity', category: 'Application Activity' },
  datastore: { uid: 6005, name: 'Datastore Activity', category: 'Application Activity' },
} as const satisfies Record<string, OcsfClass>;

/** What an activity is called; 99 is one that the class does not name. */
export interface Activity {
  readonly id: number;
  readonly name: string;
}

export const SUCCESS = { status_id: 1, status: 'Success' } as const;
export const FAILURE = { status_id: 2, status: 'Failure' } as const;
export const ALLOWED = {
  action_id: 1,
  action: 'Allowed',
  disposition_id: 1,
  disposition: 'Allowed',
} as const;
export const BLOCKED = { action_id: 2, action: 'Denied', disposition_id: 2, disposition: 'Blocked' } as const;

/** What stands at the head of an event. */
export interface Head {
  readonly of: OcsfClass;
  readonly activity: Activity;
  /** Id and time of the record, and the leaf that holds it. */
  readonly id: string;
  readonly time: string;
  readonly leaf: number;
  /** Type of the record. */
  readonly type: string;
  /** Id of the session, or of what else the event belongs together with. */
  readonly correlation?: string | undefined;
  /** Id of the intent, in the event of its outcome. */
  readonly original?: string | undefined;
  /** Whether something was refused. */
  readonly refused?: boolean;
}

/** The attributes that every event has. */
export function headOf(head: Head): OcsfEvent {
  const { of, activity, refused = false } = head;
  return {
    activity_id: activity.id,
    activity_name: activity.name,
    category_uid: Math.floor(of.uid / 1000),
    category_name: of.category,
    class_uid: of.uid,
    class_name: of.name,
    type_uid: of.uid * 100 + activity.id,
    type_name: `${of.name}: ${activity.name}`,
    severity_id: refused ? 2 : 1,
    severity: refused ? 'Low' : 'Informational',
    time: millis(head.time),
    metadata: {
      version: OCSF_VERSION,
      product: { name: 'Postern', vendor_name: 'Postern' },
      profiles: ['security_control'],
      uid: head.id,
      sequence: head.leaf,
      original_time: head.time,
      event_code: head.type,
      ...(head.correlation !== undefined && { correlation_uid: head.correlation }),
      ...(head.original !== undefined && { original_event_uid: head.original }),
    },
  };
}

/** Milliseconds since the Unix epoch. */
export function millis(time: string): number {
  return Math.floor(microsOf(time) / 1000);
}

/** Who did it, with more about their user or session. */
export function actorOf(
  actor: Actor,
  more: { readonly user?: object; readonly session?: object } = {},
): object {
  const session = more.session && { session: more.session };
  if (actor.kind === 'system') return { app_name: 'Postern', ...session };
  if (actor.kind === 'directory') return { app_name: actor.name, app_uid: actor.id, ...session };
  return { user: { ...userOf(actor, actor.kind), ...more.user }, ...session };
}

/** A person or a principal. */
export function userOf({ id, name }: Ref, kind: 'person' | 'principal'): object {
  const type = kind === 'principal' ? { type_id: 4, type: 'Service' } : { type_id: 1, type: 'User' };
  return { uid: id, name, ...type };
}

/** Somebody whom nobody knows. */
export const NOBODY = { name: 'unknown', type_id: 0, type: 'Unknown' } as const;

/** An address, with or without a port: `10.0.0.5:50412`, `[::1]:50412`, `10.0.0.5`, `db.bank.example:5432`. */
export function endpointOf(address: string | null | undefined): object {
  if (address === null || address === undefined || address === '') return { name: 'unknown' };
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(address) ?? [];
  const host = bracketed ?? plain ?? address;
  const port = digits === undefined ? {} : { port: Number(digits) };
  const isAddress = host.includes(':') || /^\d{1,3}(\.\d{1,3}){3}$/.test(host);
  return isAddress ? { ip: host, ...port } : { hostname: host === '' ? 'unknown' : host, ...port };
}
