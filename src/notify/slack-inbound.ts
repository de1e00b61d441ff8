/** What Slack sends when somebody presses a button or types a command, and what it is told. */
import { PosternError } from '../core/errors.ts';
import type { ChannelOf } from '../store/notify-entities.ts';
import { isId } from '../store/queries.ts';
import { post } from './outward.ts';
import { APPROVE, COMMENT, COMMENT_MAX, DENY } from './slack.ts';
import { oneLine, slackEscape } from './texts.ts';

/** Where Slack takes answers to a press, whose API is at slack.com. */
const ANSWERS = 'https://hooks.slack.com';
const SLACK = 'https://slack.com';
const REPLIES_MAX = 32;
const ACCOUNT = /^[A-Z0-9]{2,40}$/;

interface Account {
  readonly team: string;
  readonly user: string;
}

export interface Press extends Account {
  readonly request: string;
  readonly decision: 'approve' | 'deny';
  readonly comment: string | undefined;
  readonly responseUrl: string;
}

export interface Reply {
  readonly text: string;
  /** Whether it takes the place of the message: there is nothing left to decide. */
  readonly final: boolean;
}

/**
 * @throws PosternError POSTERN_INVALID
 * @see https://docs.slack.dev/reference/interaction-payloads/block_actions-payload
 */
export function pressOf(payload: string): Press {
  let said: unknown;
  try {
    said = JSON.parse(payload);
  } catch {
    said = null;
  }
  const action = at(said, 'actions', '0');
  const request = at(action, 'value');
  const which = at(action, 'action_id');
  const comment = at(said, 'state', 'values', COMMENT, COMMENT, 'value');
  const responseUrl = at(said, 'response_url');
  if (
    at(said, 'type') !== 'block_actions' ||
    (which !== APPROVE && which !== DENY) ||
    typeof request !== 'string' ||
    !isId(request)
  ) {
    throw strange();
  }
  const words = typeof comment === 'string' ? oneLine(comment).slice(0, COMMENT_MAX) : '';
  return {
    ...accountOf(at(said, 'team', 'id'), at(said, 'user', 'id')),
    request,
    decision: which === APPROVE ? 'approve' : 'deny',
    comment: words === '' ? undefined : words,
    responseUrl: typeof responseUrl === 'string' ? responseUrl : '',
  };
}

/**
 * The command `/postern link CODE`.
 *
 * @throws PosternError POSTERN_INVALID
 * @see https://docs.slack.dev/interactivity/implementing-slash-commands
 */
export function slashOf(form: URLSearchParams): Account & { readonly code: string } {
  const code = /^\s*link\s+(\S{1,100})\s*$/.exec(form.get('text') ?? '')?.[1] ?? '';
  return { code, ...accountOf(form.get('team_id'), form.get('user_id')) };
}

function accountOf(team: unknown, user: unknown): Account {
  if (typeof team !== 'string' || typeof user !== 'string' || !ACCOUNT.test(team) || !ACCOUNT.test(user)) {
    throw strange();
  }
  return { team, user };
}

/** A value within values, whatever they are. */
function at(value: unknown, ...path: readonly string[]): unknown {
  let found = value;
  for (const name of path) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, name)) return undefined;
    found = (found as Readonly<Record<string, unknown>>)[name];
  }
  return found;
}

/** The body of an answer. */
export const replyBody = ({ text, final }: Reply): object => ({
  text: slackEscape(oneLine(text)),
  ...(final ? { replace_original: true } : { response_type: 'ephemeral', replace_original: false }),
});

/** Answers to presses, sent once: the decision stands, whether its answer arrives or not. */
export class SlackReplies {
  readonly #abort = new AbortController();
  readonly #underWay = new Set<Promise<unknown>>();

  send(channel: ChannelOf<'slack'>, url: string, reply: Reply): void {
    if (this.#underWay.size >= REPLIES_MAX || !isOf(channel, url)) return;
    const sent = post({
      ...{ url, ca: channel.ca, signal: this.#abort.signal, reads: false },
      headers: { 'content-type': 'application/json; charset=utf-8' },
      body: JSON.stringify(replyBody(reply)),
    })
      // Whoever pressed sees no answer, and the request as it is.
      .catch(() => undefined)
      .finally(() => this.#underWay.delete(sent));
    this.#underWay.add(sent);
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await Promise.all(this.#underWay);
  }
}

/** Whether an answer goes where Slack is, and nowhere else that somebody wrote into a message. */
function isOf({ settings }: ChannelOf<'slack'>, url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { origin } = new URL(url);
  const api = new URL(settings.apiBase).origin;
  return origin === api || (api === SLACK && origin === ANSWERS);
}

const strange = (): PosternError => new PosternError('POSTERN_INVALID', 'This is nothing that Slack sends.');
