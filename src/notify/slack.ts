/** Messages to Slack. */
import type { ChannelOf } from '../store/notify-entities.ts';
import { DONE, failed, type Message, type Secrets, type Tried, wordsOf } from './message.ts';
import { type Answer, post } from './outward.ts';
import { slackEscape } from './texts.ts';
import { outcomeOf } from './webhook.ts';

/** Events that ask somebody to decide on a request. */
const DECIDABLE: ReadonlySet<string> = new Set(['request.opened', 'request.agreed']);
/** What Slack says that no other try changes: the message itself, or where it goes. */
const FINAL: ReadonlySet<string> = new Set([
  ...['invalid_blocks', 'invalid_blocks_format', 'msg_too_long', 'no_text', 'channel_not_found'],
  ...['is_archived', 'not_in_channel', 'restricted_action'],
]);

export const APPROVE = 'postern.approve';
export const DENY = 'postern.deny';
export const COMMENT = 'postern.comment';
export const COMMENT_MAX = 900;

/**
 * Posts a message, by the URL of an incoming webhook or with `chat.postMessage`.
 *
 * @see https://docs.slack.dev/reference/methods/chat.postMessage
 */
export async function sendSlack(
  channel: ChannelOf<'slack'>,
  { url, token }: Secrets,
  message: Message,
  signal: AbortSignal,
): Promise<Tried> {
  const { by, apiBase, conversation } = channel.settings;
  const bot = by === 'bot';
  const body = JSON.stringify({
    ...(bot && { channel: conversation }),
    ...slackMessage(channel, message),
    ...{ unfurl_links: false, unfurl_media: false },
  });
  const headers = {
    'content-type': 'application/json; charset=utf-8',
    ...(bot && { authorization: `Bearer ${token}` }),
  };
  const target = bot ? `${apiBase}/chat.postMessage` : (url ?? '');
  return post({ url: target, headers, body, ca: channel.ca, signal, reads: bot }).then(
    (answer) => (bot ? botOutcome(answer) : outcomeOf(answer)),
    (error: Error) => failed(error.message, true),
  );
}

/** With the buttons, where the channel has them and there is something to decide. */
export function slackMessage(channel: ChannelOf<'slack'>, message: Message): object {
  const { text } = wordsOf(channel, message, slackEscape);
  const section = { type: 'section', text: { type: 'mrkdwn', text, verbatim: true } };
  const { request } = message.fields;
  if (!channel.settings.buttons || request === undefined || !DECIDABLE.has(message.kind)) {
    return { text, mrkdwn: true, blocks: [section] };
  }
  const button = (action: string, label: string, style: string): object => ({
    type: 'button',
    action_id: action,
    value: request,
    style,
    text: { type: 'plain_text', text: label },
  });
  const comment = {
    type: 'input',
    block_id: COMMENT,
    optional: true,
    label: { type: 'plain_text', text: 'Comment (a no needs one)' },
    element: { type: 'plain_text_input', action_id: COMMENT, max_length: COMMENT_MAX },
  };
  const elements = [button(APPROVE, 'Approve', 'primary'), button(DENY, 'Deny', 'danger')];
  return { text, mrkdwn: true, blocks: [section, comment, { type: 'actions', elements }] };
}

/** The API answers 200 to what it refuses, too, and says so in the body. */
function botOutcome(answer: Answer): Tried {
  const status = outcomeOf(answer);
  if (!status.done) return status;
  let said: unknown;
  try {
    said = JSON.parse(answer.body);
  } catch {
    return failed('it does not answer as Slack does', true);
  }
  const { ok, error } = (said ?? {}) as { readonly ok?: unknown; readonly error?: unknown };
  if (ok === true) return DONE;
  const code = typeof error === 'string' && /^[a-z_]{1,60}$/.test(error) ? error : 'nothing that is known';
  return failed(`Slack says ${code}`, !FINAL.has(code));
}
