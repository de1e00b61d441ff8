import {
  generateAuthenticationOptions,
  generateRegistrationOptions,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from '@simplewebauthn/server';
import { PosternError } from '../core/errors.ts';
import type { ChangeLog } from '../store/changes.ts';
import type { Authenticator, Person } from '../store/entities.ts';
import { findActiveAuthenticator, listAuthenticators } from '../store/people-queries.ts';
import { findPerson } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { addedAuthenticator, type NewAuthenticator } from './authenticators.ts';
import { atMillis } from './input.ts';
import { invited, spendInvitation } from './invitations.ts';
import { personActor } from './persons.ts';
import type { Tickets } from './tickets.ts';

/** For how long a challenge is good. */
const CHALLENGE_SECONDS = 300;
/** EdDSA, ES256, RS256. @see https://www.iana.org/assignments/cose/cose.xhtml#algorithms */
const ALGORITHMS = [-8, -7, -257];

/** Where the pages are: what a passkey is bound to. */
export interface RelyingParty {
  /** `https://host:port` */
  readonly origin: string;
}

type RegistrationResponse = Parameters<typeof verifyRegistrationResponse>[0]['response'];
type AuthenticationResponse = Parameters<typeof verifyAuthenticationResponse>[0]['response'];

interface Challenge {
  readonly challenge: string;
  /** Id of the person, where somebody is to be enrolled. */
  readonly person?: string;
}

/** Passkeys: bound to the host of this installation, with user verification, of which only the public key is kept. */
export class Passkeys {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;
  readonly #tickets: Tickets;

  constructor(db: StateDb, changes: ChangeLog, tickets: Tickets) {
    this.#db = db;
    this.#changes = changes;
    this.#tickets = tickets;
  }

  /** What a browser needs to make a passkey for a person, and the ticket to come back with. */
  async beginEnrolment(person: Person, party: RelyingParty): Promise<{ options: object; ticket: string }> {
    const active = await listAuthenticators(this.#db, person.id, 'active');
    const options = await generateRegistrationOptions({
      rpName: 'Postern',
      rpID: rpId(party),
      userID: new Uint8Array(Buffer.from(person.id)),
      userName: person.email,
      userDisplayName: person.name,
      attestationType: 'none',
      excludeCredentials: active.flatMap((one) => (one.kind === 'passkey' ? [{ id: one.credentialId }] : [])),
      authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
      supportedAlgorithmIDs: ALGORITHMS,
    });
    const challenge: Challenge = { challenge: options.challenge, person: person.id };
    return { options, ticket: this.#tickets.issue('enrol', challenge, CHALLENGE_SECONDS) };
  }

  /**
   * Keeps the passkey that a browser has made.
   *
   * @param invitation by which the person came, which is used up; null where they are signed in
   * @throws PosternError POSTERN_UNAUTHORIZED for an answer that is not as it must be
   */
  async enrol(
    person: Person,
    party: RelyingParty,
    answer: { readonly ticket: string; readonly response: object; readonly label: string },
    invitation: string | null,
  ): Promise<Authenticator> {
    const { challenge, person: of } = this.#tickets.spend<Challenge>('enrol', answer.ticket);
    if (of !== person.id) throw refused('the challenge is of somebody else');
    const input = await registered(challenge, party, answer.response as RegistrationResponse);
    return this.#changes.run(personActor(person), async (db) => {
      const now = invitation === null ? await findPerson(db, person.id) : await invited(db, invitation);
      if (now?.id !== person.id || now.status !== 'active') throw refused('the person is not active');
      const change = await addedAuthenticator(db, now, input.authenticator, answer.label);
      return {
        changes: [change],
        beside: async (tx) => {
          if (invitation !== null) await spendInvitation(tx, invitation);
          await tx
            .insertInto('passkey_counters')
            .values({ authenticator_id: change.after.id, counter: input.counter, last_used_at: null })
            .execute();
        },
        result: change.after,
      };
    });
  }

  /** What a browser needs to show a passkey, whosever, and the ticket to come back with. */
  async beginLogin(party: RelyingParty): Promise<{ options: object; ticket: string }> {
    const options = await generateAuthenticationOptions({ rpID: rpId(party), userVerification: 'required' });
    const challenge: Challenge = { challenge: options.challenge };
    return { options, ticket: this.#tickets.issue('passkey', challenge, CHALLENGE_SECONDS) };
  }

  /**
   * Whose passkey it is that was shown.
   *
   * @returns id of the person
   * @throws PosternError POSTERN_UNAUTHORIZED, with one message for every reason
   */
  async login(party: RelyingParty, ticket: string, shown: object): Promise<string> {
    const { challenge } = this.#tickets.spend<Challenge>('passkey', ticket);
    const response = shown as AuthenticationResponse;
    const found = await findActiveAuthenticator(this.#db, { credentialId: String(response.id) });
    if (found?.kind !== 'passkey') throw refused('unknown');
    const handle = response.response?.userHandle;
    if (typeof handle === 'string' && Buffer.from(handle, 'base64url').toString() !== found.person.id) {
      throw refused('of somebody else');
    }
    return this.#changes.exclusive(async () => {
      const row = await this.#db
        .selectFrom('passkey_counters')
        .selectAll()
        .where('authenticator_id', '=', found.id)
        .executeTakeFirstOrThrow();
      const counter = await authenticated(challenge, party, response, found, row.counter);
      await this.#db
        .updateTable('passkey_counters')
        .set({ counter, last_used_at: atMillis(Date.now()) })
        .where('authenticator_id', '=', found.id)
        .execute();
      return found.person.id;
    });
  }
}

const rpId = ({ origin }: RelyingParty): string => new URL(origin).hostname;

async function registered(
  expectedChallenge: string,
  party: RelyingParty,
  response: RegistrationResponse,
): Promise<{ authenticator: NewAuthenticator; counter: number }> {
  const verified = await verifyRegistrationResponse({
    response,
    expectedChallenge,
    expectedOrigin: party.origin,
    expectedRPID: rpId(party),
    requireUserVerification: true,
    supportedAlgorithmIDs: ALGORITHMS,
  }).catch((error: Error) => {
    throw refused(error.message);
  });
  if (!verified.verified) throw refused('it does not verify');
  const { credential, aaguid, credentialBackedUp } = verified.registrationInfo;
  return {
    counter: credential.counter,
    authenticator: {
      kind: 'passkey',
      credentialId: credential.id,
      publicKey: Buffer.from(credential.publicKey).toString('base64url'),
      rpId: rpId(party),
      aaguid,
      backedUp: credentialBackedUp,
      transports: (credential.transports ?? []).filter((one) => /^[a-z-]{1,20}$/.test(one)).slice(0, 8),
    },
  };
}

/**
 * The new counter of a passkey. One that goes back is that of a copy, and refused.
 *
 * @see https://www.w3.org/TR/webauthn-3/#sctn-sign-counter
 */
async function authenticated(
  expectedChallenge: string,
  party: RelyingParty,
  response: AuthenticationResponse,
  passkey: Authenticator & { kind: 'passkey' },
  counter: number,
): Promise<number> {
  const verified = await verifyAuthenticationResponse({
    response,
    expectedChallenge,
    expectedOrigin: party.origin,
    expectedRPID: passkey.rpId,
    requireUserVerification: true,
    credential: {
      id: passkey.credentialId,
      publicKey: new Uint8Array(Buffer.from(passkey.publicKey, 'base64url')),
      counter,
    },
  }).catch((error: Error) => {
    throw refused(error.message);
  });
  if (!verified.verified) throw refused('it does not verify');
  return verified.authenticationInfo.newCounter;
}

/** @param why for who tests and for nobody else: the answer is one and the same */
function refused(why: string): PosternError {
  const error = new PosternError(
    'POSTERN_UNAUTHORIZED',
    'The passkey was not accepted.',
    'Try again, or another one.',
  );
  error.cause = why;
  return error;
}
