import type { Ref } from '../../core/record.ts';
import { takeBurst } from './burst.ts';
import { FirstUse } from './first-use.ts';
import { clientName, isHumanTool, isMistake, looksTyped, takeStatement } from './human.ts';
import { newProfile, newSession, type OpenSession, type Profile, SESSIONS_MAX } from './profile.ts';
import { type At, type InForce, Voice } from './voice.ts';

const HOUR_MICROS = 3_600_000_000;

/** A command that was let through. What the commands of a session and statement have in common is looked at once an hour. */
export interface Habitual {
  readonly principal: Ref;
  readonly resource: Ref;
  readonly session: string;
  readonly verbs: readonly string[];
  readonly objects: readonly string[];
  readonly fingerprint: string | null;
  /** The hour in which it was looked at, and how often something was forgotten by then. */
  hour: number;
  forgotten: number;
}

export interface NewSession {
  readonly id: string;
  readonly network: string | null;
  readonly resource: Ref | null;
  readonly client: string | null;
}

/**
 * Goes through the leaves in their order and finds what is out of the ordinary. Pure: of the same leaves it finds the same,
 * however they are divided, and by the times in them, not by any clock.
 */
export class Detector {
  readonly voice = new Voice();
  readonly profiles: Map<string, Profile>;
  /** Ids of those that are not as they were since this was emptied. */
  readonly changed = new Set<string>();
  readonly #firstUse = new FirstUse(this.voice);

  constructor(profiles: Map<string, Profile> = new Map(), inForce: InForce | null = null) {
    this.profiles = profiles;
    this.voice.set(inForce);
  }

  /** From the next leaf on the rules are these. */
  set(inForce: InForce): void {
    this.voice.set(inForce);
    this.#firstUse.forgotten += 1;
  }

  opened(at: At, principal: Ref, session: NewSession): void {
    const profile = this.#profile(principal);
    const { network, resource } = session;
    this.#firstUse.used(profile, at);
    if (network !== null) {
      const seen = { days: profile.networks, keys: [network], resource: null };
      this.#firstUse.see(profile, at, { rule: 'first_network', ...seen });
      this.#firstUse.elsewhere(profile, at, network);
    }
    const client = clientName(session.client);
    const seen = { days: profile.clients, keys: [client], resource: null };
    this.#firstUse.see(profile, at, { rule: 'first_client', ...seen });
    if (isHumanTool(client)) this.voice.say(profile, at, 'human_client', resource, [client], [at.leaf]);
    profile.sessions.set(session.id, newSession(at.leaf, at.time, network, resource));
    if (profile.sessions.size > SESSIONS_MAX) {
      profile.sessions.delete(profile.sessions.keys().next().value as string);
    }
  }

  closed(principal: Ref, session: string): void {
    this.#profile(principal).sessions.delete(session);
  }

  /** Postern was started: no session of before is open any more. */
  restarted(): void {
    for (const profile of this.profiles.values()) {
      if (profile.sessions.size === 0) continue;
      profile.sessions.clear();
      this.changed.add(profile.id);
    }
  }

  /** A command that was let through. */
  ran(at: At, command: Habitual): void {
    const profile = this.#profile(command.principal);
    const hour = Math.floor(at.time / HOUR_MICROS);
    if (command.hour !== hour || command.forgotten !== this.#firstUse.forgotten) {
      this.#firstUse.did(profile, at, command);
      command.hour = hour;
      command.forgotten = this.#firstUse.forgotten;
    }
    const open = profile.sessions.get(command.session);
    if (open !== undefined) this.#stated(profile, at, open, command.resource, command.fingerprint);
  }

  /** A command that was refused. What is refused is not learnt. */
  denied(at: At, principal: Ref, of: { resource: Ref | null; session: string; code: string }): void {
    const profile = this.#profile(principal);
    this.#burst(profile, at, 'denials', of.resource, 1);
    const open = profile.sessions.get(of.session);
    if (open === undefined) return;
    if (isMistake(of.code)) open.pace.errors += 1;
    this.#stated(profile, at, open, of.resource, null);
  }

  /** A command that the resource refused. */
  failed(principal: Ref, session: string, code: string): void {
    const open = this.profiles.get(principal.id)?.sessions.get(session);
    if (open === undefined || !isMistake(code)) return;
    open.pace.errors += 1;
    this.changed.add(principal.id);
  }

  /** A session that was refused. @param proven whether the client had shown to be the principal */
  refused(at: At, principal: Ref, resource: Ref | null, proven: boolean, times: number): void {
    const profile = this.#profile(principal);
    if (proven) this.#burst(profile, at, 'denials', resource, times);
    else this.#burst(profile, at, 'failed_logins', null, times);
  }

  /** A key was found to be in two hands. */
  cloned(at: At, principal: Ref, binding: string): void {
    this.voice.say(this.#profile(principal), at, 'cloned_key', null, [binding], [at.leaf]);
  }

  #profile({ id, name }: Ref): Profile {
    let profile = this.profiles.get(id);
    if (profile === undefined) {
      profile = newProfile(id, name);
      this.profiles.set(id, profile);
    }
    profile.name = name;
    this.changed.add(id);
    return profile;
  }

  #stated(
    profile: Profile,
    at: At,
    open: OpenSession,
    resource: Ref | null,
    fingerprint: string | null,
  ): void {
    this.#firstUse.inUse(profile, at, open);
    const { pace } = open;
    takeStatement(pace, at.time, fingerprint);
    if (pace.said || !looksTyped(pace, this.voice.parameters('human_pace'))) return;
    pace.said = true;
    const value = `${pace.statements} statements, ${pace.errors} mistakes`;
    this.voice.say(profile, at, 'human_pace', resource, [value], [open.leaf, at.leaf]);
  }

  #burst(
    profile: Profile,
    at: At,
    rule: 'denials' | 'failed_logins',
    resource: Ref | null,
    times: number,
  ): void {
    const limits = this.voice.parameters(rule);
    const burst = rule === 'denials' ? profile.denials : profile.failedLogins;
    const leaves = takeBurst(burst, { ...at, times }, limits);
    if (leaves === null) return;
    const { count, minutes } = limits;
    const value = `${count} in ${minutes} ${minutes === 1 ? 'minute' : 'minutes'}`;
    this.voice.say(profile, at, rule, resource, [value], leaves);
  }
}
