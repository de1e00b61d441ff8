import { csvLine } from './csv.ts';
import type { Population } from './format.ts';

type State = Readonly<Record<string, unknown>>;

/** Columns of the CSV of each population, and of its sheet in the workbook. */
const COLUMNS: Record<Population, readonly string[]> = {
  persons: ['leaf', 'lastLeaf', 'id', 'name', 'email', 'roles', 'status', 'directory', 'createdAt'],
  principals: [
    ...['leaf', 'lastLeaf', 'id', 'name', 'kind', 'status', 'owner', 'backupOwner', 'purpose', 'environment'],
    ...['reviewIntervalDays', 'expiresAt', 'tags', 'sponsor', 'rehomeBy', 'activeSince', 'lastUsedAt'],
    ...['statusReason', 'createdAt'],
  ],
  resources: [
    ...['leaf', 'lastLeaf', 'id', 'name', 'protocol', 'host', 'port', 'database', 'environment'],
    ...['classification', 'durability', 'catalogAccess', 'resultDigest', 'owner', 'status', 'masks'],
    ...['lastSessionAt', 'createdAt'],
  ],
  grants: [
    ...[
      'leaf',
      'lastLeaf',
      'id',
      'principal',
      'resource',
      'scope',
      'conditions',
      'start',
      'end',
      'status',
      'endReason',
    ],
    ...[
      'endedAt',
      'kind',
      'approvers',
      'rule',
      'request',
      'reviewBy',
      'ticket',
      'justification',
      'createdAt',
    ],
  ],
  credentials: [
    ...[
      'leaf',
      'lastLeaf',
      'id',
      'principal',
      'grant',
      'resource',
      'kind',
      'certificateSha256',
      'confirmation',
      'expiresAt',
      'status',
      'endReason',
      'endedAt',
    ],
    ...['createdAt', 'exchange', 'delegation'],
  ],
  delegations: [
    ...[
      'leaf',
      'lastLeaf',
      'id',
      'subject',
      'chain',
      'actor',
      'credential',
      'expiresAt',
      'status',
      'endReason',
    ],
    ...['endedAt', 'createdAt'],
  ],
  bindings: [
    ...['leaf', 'lastLeaf', 'id', 'principal', 'kind', 'details', 'status', 'endReason', 'endedAt'],
    'createdAt',
  ],
  trust: [
    ...[
      'leaf',
      'lastLeaf',
      'id',
      'kind',
      'name',
      'url',
      'keys',
      'status',
      'endReason',
      'endedAt',
      'createdAt',
    ],
  ],
  masks: [
    ...['leaf', 'lastLeaf', 'id', 'name', 'revision', 'resource', 'principal', 'grant', 'match', 'transform'],
    ...['probes', 'status', 'statusReason', 'createdAt'],
  ],
  notices: [
    ...['leaf', 'lastLeaf', 'id', 'principal', 'kind', 'to', 'text', 'effectiveAt', 'status', 'endReason'],
    ...['endedAt', 'createdAt'],
  ],
  sessions: [
    ...['leaf', 'closedLeaf', 'id', 'status', 'principal', 'resource', 'source', 'openedAt', 'closedAt'],
    ...['credential', 'grants', 'database', 'upstreamUser', 'upstreamIdentity', 'client', 'reason'],
    ...['commands', 'denied', 'delegation', 'proof', 'tls'],
  ],
  erasures: [
    ...['leaf', 'id', 'time', 'by', 'principal', 'day', 'kinds', 'payloads', 'record', 'cause', 'reason'],
    'commitments',
  ],
  legal_holds: [
    ...['leaf', 'lastLeaf', 'id', 'principal', 'reason', 'placedBy', 'status', 'endReason', 'endedAt'],
    'createdAt',
  ],
  retention: ['leaf', 'id', 'time', 'by', 'statements', 'parameters', 'classifications'],
  authenticators: [
    ...['leaf', 'lastLeaf', 'id', 'person', 'kind', 'label', 'provider', 'issuer', 'subject', 'credentialId'],
    ...['rpId', 'backedUp', 'status', 'endReason', 'endedAt', 'createdAt'],
  ],
  identity_providers: [
    ...['leaf', 'lastLeaf', 'id', 'name', 'issuer', 'clientId', 'domains', 'groups', 'creates', 'status'],
    'createdAt',
  ],
  directories: ['leaf', 'lastLeaf', 'id', 'name', 'groups', 'tokenExpiresAt', 'status', 'createdAt'],
  groups: ['leaf', 'lastLeaf', 'id', 'name', 'directory', 'externalId', 'members', 'status', 'createdAt'],
  policies: ['leaf', 'lastLeaf', 'id', 'name', 'revision', 'text', 'status', 'statusReason', 'createdAt'],
  reviews: [
    ...[
      'leaf',
      'lastLeaf',
      'id',
      'name',
      'filter',
      'emergency',
      'reviewers',
      'rehearsal',
      'schedule',
      'dueAt',
      'overdueAt',
    ],
    ...['graceSeconds', 'unusedDays', 'status', 'closeReason', 'closedAt', 'createdAt'],
  ],
  channels: [
    ...['leaf', 'lastLeaf', 'id', 'name', 'kind', 'settings', 'events', 'secrets', 'status', 'statusReason'],
    ...['signingBy', 'createdAt'],
  ],
  links: [
    ...['leaf', 'lastLeaf', 'id', 'name', 'kind', 'person', 'channel', 'team', 'user', 'expiresAt', 'status'],
    ...['endReason', 'endedAt', 'createdAt'],
  ],
  sinks: [
    ...[
      'leaf',
      'lastLeaf',
      'id',
      'name',
      'target',
      'secret',
      'from',
      'status',
      'statusReason',
      'deliveredBefore',
    ],
    ...['deliveredAt', 'rejected', 'failures', 'lastFailure', 'lastFailureAt', 'failingSince', 'createdAt'],
  ],
  alerts: [
    ...['leaf', 'lastLeaf', 'id', 'rule', 'parameters', 'principal', 'owner', 'resource', 'values', 'leaves'],
    ...['count', 'firstAt', 'lastAt', 'lastFound', 'status', 'acknowledged', 'disposition', 'createdAt'],
  ],
  log_reviews: [
    ...['leaf', 'lastLeaf', 'id', 'principal', 'reviewer', 'fromLeaf', 'toLeaf', 'privileged', 'finding'],
    ...['ticket', 'logSize', 'logRoot', 'createdAt'],
  ],
  review_items: [
    ...[
      'leaf',
      'lastLeaf',
      'id',
      'review',
      'principal',
      'grant',
      'resource',
      'reviewer',
      'status',
      'decision',
    ],
    ...['effect', 'endedAt', 'createdAt'],
  ],
  reconciliations: [
    ...['leaf', 'lastLeaf', 'id', 'resource', 'at', 'status', 'why', 'server', 'user', 'administering'],
    ...['accounts', 'connections', 'found', 'bounds', 'balances'],
  ],
  grant_rights: [
    ...[
      'leaf',
      'lastLeaf',
      'id',
      'grant',
      'principal',
      'resource',
      'start',
      'end',
      'verb',
      'columns',
      'object',
    ],
    'objects',
  ],
  unmanaged: [
    ...['leaf', 'lastLeaf', 'id', 'resource', 'kind', 'subject', 'details', 'firstSeenAt', 'lastToldAt'],
    ...['status', 'reopened', 'disposition'],
  ],
  requests: [
    ...[
      'leaf',
      'lastLeaf',
      'id',
      'principal',
      'resource',
      'scope',
      'conditions',
      'seconds',
      'start',
      'ticket',
    ],
    ...['justification', 'emergency', 'requester', 'source', 'rule', 'needs', 'approvals', 'status'],
    ...['statusReason', 'grant', 'expiresAt', 'createdAt'],
  ],
  administrators: [
    ...['leaf', 'lastLeaf', 'id', 'person', 'email', 'role', 'status', 'givenAt', 'givenBy', 'givenBecause'],
    ...['takenAt', 'takenBy', 'takenBecause', 'signsInBy'],
  ],
  parameter_sets: ['leaf', 'id', 'time', 'by', 'revision', 'sha256', 'text'],
  log_health: ['leaf', 'id', 'time', 'kind', 'by', 'principal', 'since', 'what'],
};

/** The columns of a population. */
export function populationColumns(population: Population): readonly string[] {
  return COLUMNS[population];
}

/** First line of a population's CSV. */
export function populationHeader(population: Population): string {
  return csvLine(COLUMNS[population]);
}

/** A row of a population as a line of CSV. */
export function populationLine(population: Population, row: State): string {
  return csvLine(populationCells(population, row));
}

/** A row of a population as cells, in the order of its columns. */
export function populationCells(population: Population, row: State): readonly unknown[] {
  const authority = row.authority as
    | { approvers?: unknown; ticket?: unknown; justification?: unknown }
    | undefined;
  const flat: State = authority === undefined ? row : { ...row, ...authority };
  if (population !== 'bindings') return COLUMNS[population].map((column) => flat[column]);
  const own = new Set(COLUMNS.bindings);
  const details = Object.fromEntries(Object.entries(row).filter(([name]) => !own.has(name)));
  return COLUMNS.bindings.map((column) => (column === 'details' ? details : row[column]));
}
