/**
 * Who may do what in the API: the one table. A route names its operation; the server refuses a caller without any
 * right to it before the route runs. Where the right is only to what is one's own, the route restricts itself with
 * `requireOwn` or an owner filter.
 */
import { PosternError } from '../core/errors.ts';
import type { Caller } from '../identity/tokens.ts';
import type { Person, Principal, Role } from '../store/entities.ts';

interface Rule {
  /** Roles that may do it to anything. `any`: everybody with a valid token. */
  readonly roles: readonly Role[] | 'any';
  /** Whether an owner may do it to the principals they own or back up (or a person to themselves). */
  readonly own?: true;
  /** A sensitive act: the person must have shown lately who they are, and an API token alone does not do. */
  readonly fresh?: true;
  /** Whether a principal may, with a bearer token of the exchange. */
  readonly principals?: true;
}

const READERS: readonly Role[] = ['admin', 'reviewer', 'auditor'];
const INVENTORY: readonly Role[] = [...READERS, 'approver'];

export const RIGHTS = {
  whoami: { roles: 'any' },
  connection: { roles: 'any' },
  'person.create': { roles: ['admin'] },
  'person.list': { roles: INVENTORY },
  'person.read': { roles: INVENTORY, own: true },
  'person.update': { roles: ['admin'], fresh: true },
  'person.disable': { roles: ['admin'] },
  // Who takes somebody back gives all their roles anew.
  'person.enable': { roles: ['admin'], fresh: true },
  // An invitation lets its holder come in as the person.
  'person.invite': { roles: ['admin'], own: true, fresh: true },
  'person.sessions': { roles: ['admin', 'auditor'], own: true },
  'person.session.end': { roles: ['admin'], own: true },
  'authenticator.add': { roles: 'any' },
  'authenticator.list': { roles: ['admin', 'auditor'], own: true },
  'authenticator.remove': { roles: ['admin'], own: true, fresh: true },
  'recovery.issue': { roles: 'any', fresh: true },
  'sign-in.read': { roles: ['admin', 'auditor'] },
  'sign-in.set': { roles: ['admin'], fresh: true },
  'provider.create': { roles: ['admin'], fresh: true },
  'provider.list': { roles: ['admin', 'auditor'] },
  'provider.update': { roles: ['admin'], fresh: true },
  'provider.remove': { roles: ['admin'], fresh: true },
  'directory.create': { roles: ['admin'], fresh: true },
  'directory.list': { roles: ['admin', 'auditor'] },
  'directory.update': { roles: ['admin'], fresh: true },
  'directory.remove': { roles: ['admin'], fresh: true },
  'person.token': { roles: ['admin'], own: true },
  'principal.create': { roles: ['admin'] },
  'principal.list': { roles: INVENTORY, own: true },
  'principal.read': { roles: INVENTORY, own: true },
  // Who answers for a principal decides nothing about it alone: an owner who could name another would approve what is theirs.
  'principal.update': { roles: ['admin'] },
  'principal.disable': { roles: ['admin'], own: true },
  'principal.suspend': { roles: ['admin'], own: true },
  'principal.resume': { roles: ['admin'] },
  'principal.retire': { roles: ['admin'] },
  'resource.create': { roles: ['admin'] },
  'resource.list': { roles: [...INVENTORY, 'owner'] },
  'resource.read': { roles: [...INVENTORY, 'owner'] },
  'resource.update': { roles: ['admin'] },
  'resource.test': { roles: ['admin'] },
  'resource.admin': { roles: ['admin'] },
  'resource.password': { roles: ['admin'] },
  'resource.rotate': { roles: ['admin'] },
  'resource.retire': { roles: ['admin'] },
  'resource.reconcile': { roles: ['admin'] },
  'reconciliation.list': { roles: [...INVENTORY, 'owner'] },
  // Who says that something may stay answers for it, in the log.
  'unmanaged.list': { roles: [...INVENTORY, 'owner'] },
  'unmanaged.dispose': { roles: ['admin'] },
  'grant.create': { roles: ['admin', 'approver'] },
  'grant.list': { roles: INVENTORY, own: true },
  'grant.read': { roles: INVENTORY, own: true },
  'grant.revoke': { roles: ['admin', 'approver'], own: true },
  // What nobody needs any more may be given back by who owns or uses it, and by who asked for it.
  'grant.release': { roles: 'any', principals: true },
  // Who changes the policy changes what everybody may have.
  'policy.put': { roles: ['admin'], fresh: true },
  'policy.retire': { roles: ['admin'], fresh: true },
  'policy.list': { roles: [...INVENTORY, 'owner'] },
  // It shows what everybody did.
  'policy.backtest': { roles: READERS },
  // A principal asks for itself.
  'request.create': { roles: ['admin'], own: true, principals: true },
  'request.renew': { roles: ['admin'], own: true },
  'request.list': { roles: INVENTORY, own: true },
  'request.read': { roles: INVENTORY, own: true, principals: true },
  'request.withdraw': { roles: 'any', principals: true },
  // The policy says who decides on which.
  'request.decide': { roles: 'any' },
  // A review that nobody attends to suspends what it is about.
  'review.open': { roles: ['admin'] },
  'review.close': { roles: ['admin'] },
  'review.schedule': { roles: ['admin'] },
  'review.list': { roles: INVENTORY, own: true },
  'review.preview': { roles: READERS },
  // The review says who decides on what, and who sees it beside those who see everything.
  'review.decide': { roles: 'any' },
  // They show records. Who answers for a principal sees what was found of it, and may explain it.
  'alert.list': { roles: READERS, own: true },
  'alert.dispose': { roles: ['admin', 'reviewer'], own: true },
  'alert.rules': { roles: [...READERS, 'owner'] },
  // Who sets the rules says what nobody hears of.
  'alert.rules.set': { roles: ['admin'], fresh: true },
  'credential.issue': { roles: ['admin'], own: true },
  'credential.list': { roles: INVENTORY, own: true },
  'credential.revoke': { roles: ['admin'], own: true },
  // Everybody gives their own word, which gives nobody a right; it is taken back by them, who owns who acts, and administrators.
  'delegation.create': { roles: 'any', principals: true, fresh: true },
  'delegation.list': { roles: INVENTORY, own: true },
  'delegation.revoke': { roles: ['admin'], own: true },
  'token-key.rotate': { roles: ['admin'], fresh: true },
  self: { roles: [], principals: true },
  // Who binds decides who is taken for the principal from outside. Not `fresh`: `postern apply` makes bindings without a person there.
  'binding.create': { roles: ['admin'] },
  // Only the one who was named, whatever their role gives them else.
  'binding.approve': { roles: ['admin', 'approver'], fresh: true },
  'binding.list': { roles: INVENTORY, own: true },
  // Whose keys are trusted, and whether they still come.
  'issuer.list': { roles: INVENTORY },
  'binding.remove': { roles: ['admin'], own: true },
  // Who trusts an authority lets it say who is who.
  'trust.add': { roles: ['admin'], fresh: true },
  'trust.list': { roles: INVENTORY },
  'trust.update': { roles: ['admin'], fresh: true },
  // What only takes away waits for nothing.
  'trust.remove': { roles: ['admin'] },
  'session.list': { roles: READERS, own: true },
  'activity.read': { roles: READERS, own: true },
  // Who keeps a question sees no more by it.
  'activity.save': { roles: READERS, own: true },
  // Nobody does for what they answer for, whatever their role.
  'log-review.create': { roles: READERS },
  'log-review.list': { roles: INVENTORY, own: true },
  'ledger.read': { roles: INVENTORY },
  'ledger.rotate-key': { roles: ['admin'], fresh: true },
  'ledger.entries': { roles: READERS },
  'vault.read': { roles: INVENTORY },
  'vault.rotate': { roles: ['admin'], fresh: true },
  'evidence.export': { roles: READERS },
  // Who makes a schedule has what everybody did put to a folder, again and again.
  'evidence.schedule': { roles: ['admin'] },
  'evidence.schedules': { roles: INVENTORY },
  'evidence.assess': { roles: READERS },
  'evidence.frameworks': { roles: INVENTORY },
  'evidence.parameters': { roles: INVENTORY },
  // They decide what passes.
  'evidence.parameters.set': { roles: ['admin'] },
  // Where the events go leaves the house; and who stops them works unseen.
  'sink.create': { roles: ['admin'], fresh: true },
  'sink.list': { roles: READERS },
  'sink.update': { roles: ['admin'], fresh: true },
  'sink.test': { roles: ['admin'] },
  'sink.pause': { roles: ['admin'], fresh: true },
  'sink.resume': { roles: ['admin'] },
  'sink.retire': { roles: ['admin'], fresh: true },
  // Owners see what is masked; nobody whose principals read through a mask may change it.
  'mask.create': { roles: ['admin'] },
  // It shows what everybody did.
  'mask.backtest': { roles: READERS },
  'mask.list': { roles: [...INVENTORY, 'owner'] },
  'mask.read': { roles: [...INVENTORY, 'owner'] },
  'mask.update': { roles: ['admin'] },
  'mask.retire': { roles: ['admin'] },
  'payload.erase': { roles: ['admin'], fresh: true },
  'hold.place': { roles: ['admin'] },
  'hold.list': { roles: INVENTORY },
  'hold.release': { roles: ['admin'] },
  rehearse: { roles: ['admin'] },
  'set.read': { roles: INVENTORY },
  'set.change': { roles: ['admin'] },
  'lifecycle.read': { roles: [...INVENTORY, 'owner'] },
  'lifecycle.set': { roles: ['admin'] },
  // Of a notice `own` is whom it is for.
  'notice.list': { roles: INVENTORY, own: true },
  // What goes there leaves the house, and whom it reaches decides whether anybody acts.
  'channel.create': { roles: ['admin'], fresh: true },
  'channel.list': { roles: ['admin', 'auditor'] },
  'channel.update': { roles: ['admin'], fresh: true },
  'channel.test': { roles: ['admin'] },
  'channel.retire': { roles: ['admin'] },
  'delivery.list': { roles: ['admin', 'auditor'] },
  'delivery.redeliver': { roles: ['admin'] },
  // It carries its maker's word, so everybody makes their own and nobody another's.
  'link.create': { roles: 'any', fresh: true },
  'link.list': { roles: ['admin', 'auditor'], own: true },
  'link.remove': { roles: ['admin'], own: true },
  'retention.read': { roles: INVENTORY },
  'retention.set': { roles: ['admin'] },
  'retention.run': { roles: ['admin'] },
} as const satisfies Record<string, Rule>;

export type Operation = keyof typeof RIGHTS;

/** `all`: to anything; `own`: to what is one's own. */
export type Reach = 'all' | 'own';

/** @throws PosternError POSTERN_FORBIDDEN when the person has no right to the operation at all */
export function reachOf(person: Person, operation: Operation): Reach {
  const rule: Rule = RIGHTS[operation];
  if (rule.roles === 'any' || rule.roles.some((role) => person.roles.includes(role))) return 'all';
  const self = /^(person|authenticator|delegation|link)\./.test(operation);
  if (rule.own && (self || person.roles.includes('owner'))) return 'own';
  throw forbidden(`${person.name} may not do this (${operation}).`, rule);
}

/** All that is open to somebody who came in by a recovery code. */
const RECOVERING: ReadonlySet<Operation> = new Set(['whoami', 'authenticator.add']);

/** @throws PosternError POSTERN_FORBIDDEN where the operation is for people */
export function requirePrincipals(operation: Operation): void {
  const rule: Rule = RIGHTS[operation];
  if (!rule.principals) throw forbidden(`Principals may not do this (${operation}).`);
}

/**
 * Holds a caller to having shown lately who they are, where the operation is a sensitive one.
 *
 * @throws PosternError POSTERN_REAUTHENTICATE; POSTERN_FORBIDDEN for who came in by a recovery code
 */
export function requireFresh(caller: Pick<Caller, 'freshUntil' | 'session'>, operation: Operation): void {
  if (caller.session?.method === 'recovery_code' && !RECOVERING.has(operation)) {
    throw new PosternError('POSTERN_FORBIDDEN', 'Who came in by a recovery code makes a new passkey first.');
  }
  const rule: Rule = RIGHTS[operation];
  if (rule.fresh) requireFreshly(caller);
}

/** Whether an operation takes somebody who has just shown who they are. */
export const isSensitive = (operation: Operation): boolean => {
  const rule: Rule = RIGHTS[operation];
  return rule.fresh === true;
};

/** As `requireFresh`, where it depends on more than the operation. @throws PosternError POSTERN_REAUTHENTICATE */
export function requireFreshly({ freshUntil, session }: Pick<Caller, 'freshUntil' | 'session'>): void {
  if (freshUntil !== null && Date.now() < freshUntil) return;
  throw new PosternError(
    'POSTERN_REAUTHENTICATE',
    session === null
      ? 'This is a sensitive act, for which an API token alone does not do.'
      : 'This is a sensitive act: show once more who you are.',
    'Sign in again: postern login --again. For automation: postern person token YOU --sensitive, which lives for an hour at most.',
  );
}

/** Whether the person is the principal's owner or backup owner. */
export function owns(person: Person, principal: Pick<Principal, 'owner' | 'backupOwner'>): boolean {
  return principal.owner.id === person.id || principal.backupOwner?.id === person.id;
}

/** @throws PosternError POSTERN_FORBIDDEN when the reach is `own` and the principal is somebody else's */
export function requireOwn(
  person: Person,
  reach: Reach,
  principal: Pick<Principal, 'owner' | 'backupOwner'>,
): void {
  if (reach === 'own' && !owns(person, principal)) {
    throw forbidden('This belongs to a principal of another owner.');
  }
}

/**
 * Nobody decides on access for a principal they answer for, unless they are an administrator, whom the grant's
 * authority then names.
 *
 * @throws PosternError POSTERN_FORBIDDEN
 */
export function requireIndependence(person: Person, principal: Principal): void {
  if (owns(person, principal) && !person.roles.includes('admin')) {
    throw new PosternError(
      'POSTERN_FORBIDDEN',
      `${person.name} answers for ${principal.name} and cannot approve its grants.`,
      'Ask another approver.',
    );
  }
}

export function forbidden(message: string, rule?: Rule): PosternError {
  const roles = rule && rule.roles !== 'any' ? rule.roles.join(', ') : undefined;
  return new PosternError('POSTERN_FORBIDDEN', message, roles && `It takes one of the roles: ${roles}.`);
}
