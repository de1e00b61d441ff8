import type { Channel } from '../store/notify-entities.ts';
import { sendEmail } from './email.ts';
import type { Message, Secrets, Tried } from './message.ts';
import { sendSlack } from './slack.ts';
import { sendWebhook } from './webhook.ts';

/** Tries once to bring a message to its place. It ends within 30 s, and says what went wrong in words that hold no secret. */
export async function send(
  channel: Channel,
  secrets: Secrets,
  message: Message,
  signal: AbortSignal,
): Promise<Tried> {
  if (channel.kind === 'webhook') return sendWebhook(channel, secrets, message, signal);
  if (channel.kind === 'slack') return sendSlack(channel, secrets, message, signal);
  return sendEmail(channel, secrets, message, signal);
}
