/**
 * What people are told of. Each kind has the fields that its texts may name, with an example of each, and words of its own. Statement
 * texts and bind values are never among them.
 */

export interface EventKind {
  readonly summary: string;
  /** Beside `event`, `time` and `link`, which every event has. */
  readonly fields: Readonly<Record<string, string>>;
  readonly subject: string;
  readonly text: string;
}

const PRINCIPAL = { principal: 'nightly-ledger' };
const REVIEW = { review: 'autumn-ledger', due: '2026-12-01 09:00:00Z', open: '14' };
const REQUEST = {
  ...PRINCIPAL,
  request: '01928f3e-7c1a-7b2e-9d55-0f6a4c1e2b33',
  resource: 'ledger-db',
  scope: 'select on ledger.*',
  duration: '2h',
  requester: 'Grace Okafor',
  ticket: 'CHG-1042',
  justification: 'reconciliation',
};
const REQUEST_LINES = `{{principal}} on {{resource}}: {{scope}}, for {{duration}}
Asked for by {{requester}}
Ticket: {{ticket}}
Why: {{justification}}`;

const CATALOGUE = {
  'request.opened': {
    summary: 'somebody asks for access, and people have to agree',
    fields: { ...REQUEST, needs: '2 of role:approver', expires: '2026-11-23 20:00:00Z' },
    subject: '{{principal}} asks for access to {{resource}}',
    text: `${REQUEST_LINES}\nNeeded: {{needs}}, until {{expires}}\nDecide: {{link}}`,
  },
  'request.agreed': {
    summary: 'somebody has agreed to a request, and others still have to',
    fields: { ...REQUEST, needs: '1 of role:approver', by: 'Ada Boone', comment: 'as agreed' },
    subject: '{{by}} agrees to the request of {{principal}}',
    text: `${REQUEST_LINES}\n{{by}} agrees. Comment: {{comment}}\nStill needed: {{needs}}\nDecide: {{link}}`,
  },
  'request.granted': {
    summary: 'people have agreed to a request, and it is granted',
    fields: { ...REQUEST, by: 'Ada Boone', comment: 'as agreed', until: '2026-11-23 22:00:00Z' },
    subject: '{{principal}} has access to {{resource}}',
    text: `${REQUEST_LINES}\nAgreed to by {{by}}; until {{until}}\nComment: {{comment}}\n{{link}}`,
  },
  'request.denied': {
    summary: 'somebody has said no to a request',
    fields: { ...REQUEST, by: 'Ada Boone', reason: 'no change window' },
    subject: '{{principal}} does not get access to {{resource}}',
    text: `${REQUEST_LINES}\n{{by}} says no: {{reason}}\n{{link}}`,
  },
  'request.withdrawn': {
    summary: 'a request was taken back',
    fields: { ...REQUEST, reason: 'not needed' },
    subject: 'The request of {{principal}} was taken back',
    text: `${REQUEST_LINES}\nTaken back: {{reason}}`,
  },
  'request.lapsed': {
    summary: 'nobody decided on a request in time',
    fields: REQUEST,
    subject: 'Nobody decided on the request of {{principal}}',
    text: `${REQUEST_LINES}\nNobody decided in time.\n{{link}}`,
  },
  'emergency.used': {
    summary: 'access was taken on the word that it is an emergency; its use has to be reviewed',
    fields: { ...REQUEST, until: '2026-11-23 22:00:00Z', reviewBy: '2026-11-24 22:00:00Z' },
    subject: 'EMERGENCY: {{principal}} took access to {{resource}}',
    text: `${REQUEST_LINES}\nUntil {{until}}. Its use has to be reviewed by {{reviewBy}}.\n{{link}}`,
  },
  'review.opened': {
    summary: 'a review begins',
    fields: REVIEW,
    subject: 'Review {{review}}: {{open}} to decide on',
    text: 'The review {{review}} has {{open}} grants and principals to decide on, by {{due}}.\npostern review inbox',
  },
  'review.due_soon': {
    summary: 'the deadline of a review comes near',
    fields: { ...REVIEW, left: '1d' },
    subject: 'Review {{review}} is due in {{left}}',
    text: '{{open}} of the review {{review}} are not decided on. It is due at {{due}}, in {{left}}.\npostern review inbox',
  },
  'review.overdue': {
    summary: 'the deadline of a review has passed; administrators and its escalation are asked too',
    fields: { ...REVIEW, lapses: '2026-12-08 09:00:00Z' },
    subject: 'Review {{review}} is overdue',
    text: '{{open}} of the review {{review}} were not decided on by {{due}}.\nWhat is not decided on by {{lapses}} is suspended.\npostern review inbox',
  },
  'review.escalated': {
    summary: 'half of the grace of an overdue review is gone; who answers for the principals is told',
    fields: { ...REVIEW, lapses: '2026-12-08 09:00:00Z' },
    subject: 'Review {{review}}: suspensions at {{lapses}}',
    text: '{{open}} of the review {{review}} are still not decided on.\nAt {{lapses}} their principals are suspended.',
  },
  'review.lapsed': {
    summary: 'nobody decided on something in a review, and its principal is suspended',
    fields: { ...PRINCIPAL, review: 'autumn-ledger', outcome: 'suspended' },
    subject: '{{principal}}: nobody decided in the review {{review}}',
    text: 'Nobody decided on {{principal}} in the review {{review}} in time: {{outcome}}.',
  },
  'review.closed': {
    summary: 'a review is over',
    fields: { review: 'autumn-ledger', reason: 'nothing is left to decide' },
    subject: 'Review {{review}} is over',
    text: 'The review {{review}} is over: {{reason}}.',
  },
  'owner.left': {
    summary: 'who answers for a principal was disabled',
    fields: { ...PRINCIPAL, text: 'Grace Okafor, owner of nightly-ledger, was disabled.' },
    subject: '{{principal}} needs somebody to answer for it',
    text: '{{text}}',
  },
  'secret.requested': {
    summary: 'somebody asks for a static secret, which takes the agreement of one who is named',
    fields: { ...PRINCIPAL, binding: REQUEST.request, requester: 'Grace Okafor', reason: 'no platform' },
    subject: '{{principal}}: a static secret is asked for',
    text: '{{requester}} asks for a static secret of {{principal}}: {{reason}}\npostern binding approve {{binding}}',
  },
  'secret.expiring': {
    summary: 'a static secret, which is an exception with an end, ends soon',
    fields: { ...PRINCIPAL, binding: REQUEST.request, expires: '2026-12-01 09:00:00Z', left: '7d' },
    subject: 'The static secret of {{principal}} ends in {{left}}',
    text: 'The exception for {{principal}} (binding {{binding}}) ends at {{expires}}.\nBind it to its platform before that.',
  },
  'principal.expiring': {
    summary: 'a principal ends soon',
    fields: { ...PRINCIPAL, expires: '2026-12-01 09:00:00Z', left: '7d' },
    subject: '{{principal}} ends in {{left}}',
    text: '{{principal}} is disabled at {{expires}}.',
  },
  'alert.raised': {
    summary: 'something out of the ordinary was found in what a principal did',
    fields: {
      ...PRINCIPAL,
      alert: REQUEST.request,
      rule: 'first_object',
      says: 'used objects for the first time',
      values: 'hr.salaries',
      resource: 'ledger-db',
    },
    subject: '{{principal}} {{says}}',
    text: '{{principal}} {{says}}: {{values}}\nOn {{resource}}\npostern alert show {{alert}}',
  },
  'alert.closed': {
    summary: 'somebody has explained or resolved an alert',
    fields: {
      ...PRINCIPAL,
      alert: REQUEST.request,
      rule: 'first_object',
      outcome: 'explained',
      by: 'Ada Boone',
      reason: 'new report',
    },
    subject: 'The alert about {{principal}} is closed: {{outcome}}',
    text: '{{by}} has closed the alert {{alert}} about {{principal}} ({{rule}}): {{outcome}}\n{{reason}}',
  },
  'unmanaged.found': {
    summary: 'a resource has accounts, connections or statements that are not of Postern',
    fields: { resource: 'ledger-db', count: '2', subjects: 'account shadow_dba; account etl_old' },
    subject: '{{resource}}: {{count}} things that are not of Postern',
    text: '{{resource}} has {{count}} new things that are not of Postern: {{subjects}}\npostern unmanaged list',
  },
  'reconciliation.failed': {
    summary: 'a resource could not be compared with what Postern knows of it',
    fields: { resource: 'ledger-db', reason: 'it does not answer' },
    subject: '{{resource}} could not be compared',
    text: '{{resource}} could not be compared with what Postern knows: {{reason}}',
  },
  'ledger.lost': {
    summary: 'records were lost before they were in the log',
    fields: { detail: 'journal worker-1 ends in the middle of a record' },
    subject: 'Records were lost',
    text: 'The log says: {{detail}}',
  },
  'ledger.fault': {
    summary: 'the log does not grow, or grows again',
    fields: { detail: 'the disk is full' },
    subject: 'The log: {{detail}}',
    text: 'The log: {{detail}}',
  },
  'sink.failed': {
    summary: 'a sink does not take events; they wait in the log',
    fields: { sink: 'siem', since: '2026-11-23 17:59:00Z', fault: 'it answers with 503' },
    subject: 'The sink {{sink}} does not take events',
    text: 'The sink {{sink}} has taken no events since {{since}}: {{fault}}\nThey wait in the log, and none is left out.\npostern sink show {{sink}}',
  },
  'sink.recovered': {
    summary: 'a sink that failed takes events again',
    fields: { sink: 'siem', since: '2026-11-23 17:59:00Z' },
    subject: 'The sink {{sink}} takes events again',
    text: 'The sink {{sink}}, which had failed since {{since}}, takes events again. What waited comes first.',
  },
  'channel.failed': {
    summary: 'messages of a channel are given up',
    fields: { channel: 'ops-hook', detail: 'answers 500' },
    subject: 'Messages of the channel {{channel}} are given up',
    text: 'A message of the channel {{channel}} was given up after its last try: {{detail}}\npostern channel deliveries --status dead',
  },
  'channel.test': {
    summary: 'somebody tries a channel out',
    fields: { channel: 'ops-hook', by: 'Ada Boone' },
    subject: 'A test of the channel {{channel}}',
    text: '{{by}} tries the channel {{channel}} out.',
  },
} as const satisfies Record<string, EventKind>;

export type EventName = keyof typeof CATALOGUE;

export const EVENT_NAMES = Object.keys(CATALOGUE) as readonly EventName[];

/** Fields that every event has. */
export const COMMON_FIELDS = {
  event: 'request.opened',
  time: '2026-11-23 18:00:00Z',
  link: 'https://localhost:8443/requests/01928f3e-7c1a-7b2e-9d55-0f6a4c1e2b33',
} as const;

/** Undefined where there is no such kind. */
export function eventKind(name: string): EventKind | undefined {
  return Object.hasOwn(CATALOGUE, name) ? CATALOGUE[name as EventName] : undefined;
}
