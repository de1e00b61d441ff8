/**
 * Decisions on requests that come from elsewhere: signed by a system in a person's name, or by Slack, which says whose account pressed
 * a button. They are that person's, and held to all that `requests.ts` holds a person to.
 */
import { createHash } from 'node:crypto';
import { PosternError } from '../core/errors.ts';
import { parseStrictJson } from '../core/strict-json.ts';
import { personActor } from '../identity/persons.ts';
import type { SpentProofs } from '../identity/spent-proofs.ts';
import type { Notifier } from '../notify/notifier.ts';
import { type SignedHead, verifySlack, verifyWebhook } from '../notify/signatures.ts';
import { type Press, pressOf, type Reply, SlackReplies, slashOf } from '../notify/slack-inbound.ts';
import type { AccessRequest, Person } from '../store/entities.ts';
import type { Channel, Link } from '../store/notify-entities.ts';
import { findPerson, findPrincipal } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { askersOf } from './request-context.ts';
import type { Requests } from './requests.ts';

/** Longer than any signature is good for, also where the clock is set back by hours. */
const REMEMBERED_MS = 86_400_000;
const DEPTH = 4;
/** Fits no signature: a hook that there is not takes as long as a wrong signature. */
const NO_SECRET = `whsec_${Buffer.alloc(32).toString('base64')}`;

export interface OutsideOptions {
  readonly db: StateDb;
  readonly notifier: Notifier;
  readonly requests: Requests;
  readonly spent: SpentProofs;
  /** Microseconds since the Unix epoch. */
  readonly clock: () => number;
  readonly publicUrl: () => string;
}

interface Decided {
  readonly request: string;
  readonly decision: 'approve' | 'deny';
  readonly comment: string | undefined;
}

export class OutsideDecisions {
  readonly #options: OutsideOptions;
  readonly #replies = new SlackReplies();

  constructor(options: OutsideOptions) {
    this.#options = options;
  }

  /**
   * What a hook says: `{"request": ..., "decision": "approve" | "deny", "comment": ...}`, signed as the Standard Webhooks say. Each
   * message is taken once.
   *
   * @throws PosternError POSTERN_UNAUTHORIZED for a signature that does not fit, is too old or has come before; as `Requests` else
   */
  async hook(id: string, head: SignedHead, body: string): Promise<AccessRequest> {
    const hook = await this.#options.notifier.links.hook(id);
    const fits = verifyWebhook([hook?.signingSecret ?? NO_SECRET], head, body, this.#nowMs());
    if (hook === undefined || !fits) throw unsigned();
    const { link } = hook;
    await this.#once(`hook ${link.id} ${head.id}`);
    return this.#decide(link, decidedOf(body));
  }

  /**
   * What Slack sends for a channel: a press of a button, or a command typed.
   *
   * @param byButton false: buttons decide nothing, and lead to where people sign in
   * @returns what the answer says; null: nothing, since the press is answered where Slack says
   * @throws PosternError POSTERN_UNAUTHORIZED as `hook`; POSTERN_INVALID for what is no such thing
   */
  async slack(
    channelRef: string,
    head: Omit<SignedHead, 'id'>,
    body: string,
    byButton: boolean,
  ): Promise<Reply | null> {
    const { channels } = this.#options.notifier;
    const channel = await channels.get(channelRef).catch(() => null);
    const secrets = channel === null ? {} : await channels.secretsOf(channel);
    const fits = verifySlack(secrets.signing ?? NO_SECRET, head, body, this.#nowMs());
    if (channel?.kind !== 'slack' || channel.status !== 'active' || secrets.signing === undefined || !fits) {
      throw unsigned();
    }
    await this.#once(`slack ${channel.id} ${head.timestamp} ${head.signature}`);
    const form = new URLSearchParams(body);
    if (form.has('command')) return this.#slash(channel.id, form);
    const press = pressOf(form.get('payload') ?? '');
    const reply = await this.#pressed(channel, press, byButton);
    this.#replies.send(channel, press.responseUrl, reply);
    return null;
  }

  /** Breaks off answers under way. */
  close(): Promise<void> {
    return this.#replies.close();
  }

  async #slash(channelId: string, form: URLSearchParams): Promise<Reply> {
    const { code, ...account } = slashOf(form);
    try {
      const link = await this.#options.notifier.links.addSlack(channelId, code, account);
      return { text: `This account decides as ${link.person.name} from now on.`, final: false };
    } catch (error) {
      return { text: wordsOf(error), final: false };
    }
  }

  async #pressed(channel: Channel, press: Press, byButton: boolean): Promise<Reply> {
    const { notifier, publicUrl, requests } = this.#options;
    const page = `${publicUrl()}/requests/${press.request}`;
    if (!byButton) return { text: `This takes a fresh sign-in: ${page}`, final: false };
    const link = await notifier.links.ofSlack(channel.id, press.team, press.user);
    if (link === undefined) {
      return {
        text: `This account is nobody's yet: postern link slack CHANNEL. Or decide here: ${page}`,
        final: false,
      };
    }
    if (press.decision === 'deny' && press.comment === undefined) {
      return { text: 'A no needs a reason: write it into the comment.', final: false };
    }
    try {
      if (await this.#isOfSigner(channel, await requests.get(press.request))) {
        return {
          text: `Who set this channel up has a part in it, so it is decided here: ${page}`,
          final: false,
        };
      }
      const request = await this.#decide(link, press);
      const what =
        request.status === 'pending' ? `agreed; still needed: ${request.needs.join('; ')}` : request.status;
      const about = `${request.principal.name} on ${request.resource.name}`;
      return { text: `${about}: ${what} (${link.person.name})`, final: request.status !== 'pending' };
    } catch (error) {
      return { text: `${wordsOf(error)} ${page}`, final: false };
    }
  }

  /**
   * Whether whoever gave the signing secret asks for it, or answers for the principal: they could press for others, and would approve what
   * is theirs.
   */
  async #isOfSigner({ signingBy }: Channel, request: AccessRequest): Promise<boolean> {
    if (signingBy === null) return false;
    const principal = await findPrincipal(this.#options.db, request.principal.id);
    const parts = [...askersOf(request), principal?.owner, principal?.backupOwner];
    return parts.some((part) => part?.id === signingBy.id);
  }

  async #decide(link: Link, { request, decision, comment }: Decided): Promise<AccessRequest> {
    const { requests, db } = this.#options;
    const person: Person | undefined = await findPerson(db, link.person.id);
    if (person?.status !== 'active') throw unsigned();
    const via = link.kind === 'hook' ? `hook ${link.name}` : `Slack account ${link.user} of ${link.team}`;
    const actor = personActor(person);
    if (decision === 'approve') return requests.approve(actor, request, comment, via);
    return requests.deny(actor, request, `${comment ?? ''} (by ${via})`);
  }

  /** @throws PosternError POSTERN_UNAUTHORIZED where it was taken before */
  async #once(what: string): Promise<void> {
    const mark = createHash('sha256').update(what).digest('hex');
    const nowMs = this.#nowMs();
    try {
      await this.#options.spent.take(mark, nowMs + REMEMBERED_MS, nowMs);
    } catch (error) {
      if (error instanceof PosternError && error.code === 'POSTERN_UNAUTHORIZED') {
        throw new PosternError('POSTERN_UNAUTHORIZED', 'This message has come before, and is taken once.');
      }
      throw error;
    }
  }

  #nowMs(): number {
    return Math.floor(this.#options.clock() / 1000);
  }
}

function decidedOf(body: string): Decided {
  let said: unknown;
  try {
    said = parseStrictJson(body, DEPTH);
  } catch {
    said = null;
  }
  const { request, decision, comment, ...more } = (said ?? {}) as Readonly<Record<string, unknown>>;
  const words = comment === undefined || (typeof comment === 'string' && comment.trim() !== '');
  if (
    typeof request !== 'string' ||
    (decision !== 'approve' && decision !== 'deny') ||
    !words ||
    Object.keys(more).length > 0 ||
    (decision === 'deny' && comment === undefined)
  ) {
    throw new PosternError(
      'POSTERN_INVALID',
      'A decision is {"request": ID, "decision": "approve" or "deny", "comment": TEXT}.',
      'A no needs a comment.',
    );
  }
  return { request, decision, comment };
}

/** What went wrong, for the person who pressed: only what is said to them for it. */
const wordsOf = (error: unknown): string =>
  error instanceof PosternError && error.code !== 'POSTERN_INTERNAL'
    ? error.message
    : 'It did not work. Try again where people sign in.';

const unsigned = (): PosternError =>
  new PosternError('POSTERN_UNAUTHORIZED', 'The signature does not fit, or is too old.');
