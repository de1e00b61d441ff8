import type { ChannelOf } from '../store/notify-entities.ts';
import { DONE, failed, type Message, type Secrets, type Tried, wordsOf } from './message.ts';
import { type Answer, post } from './outward.ts';
import { retryAfter } from './pauses.ts';
import { signWebhook } from './signatures.ts';
import { plain } from './texts.ts';

/**
 * Posts an event, signed as the Standard Webhooks say, with the id of the delivery as its id.
 *
 * @param former whether the signing secret of before signs too
 * @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
export async function sendWebhook(
  channel: ChannelOf<'webhook'>,
  { url = '', signing = '', former }: Secrets,
  message: Message,
  signal: AbortSignal,
): Promise<Tried> {
  const { subject, text } = wordsOf(channel, message, plain);
  const body = JSON.stringify({
    type: message.kind,
    timestamp: message.at,
    data: { ...message.fields, subject, text },
  });
  const secrets = former === undefined ? [signing] : [signing, former];
  const head = signWebhook(secrets, message.id, Math.floor(Date.now() / 1000), body);
  const headers = {
    'content-type': 'application/json',
    'webhook-id': head.id,
    'webhook-timestamp': head.timestamp,
    'webhook-signature': head.signature,
  };
  return post({ url, headers, body, ca: channel.ca, signal, reads: false }).then(outcomeOf, (error: Error) =>
    failed(error.message, true),
  );
}

/** What a status says: 2xx has taken it, 410 wants no more, all else may be tried again. */
export function outcomeOf({ status, retryAfter: asked }: Answer): Tried {
  if (status >= 200 && status < 300) return DONE;
  if (status >= 300 && status < 400)
    return failed(`it answers ${status}: redirections are not followed`, true);
  const pause = status === 429 || status === 503 ? retryAfter(asked, Date.now()) : null;
  return failed(`it answers ${status}`, status !== 410, pause);
}
