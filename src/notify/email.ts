/** Messages by e-mail: one connection each, with verified TLS, within a deadline. */
import { connect, type Socket } from 'node:net';
import MailComposer from 'nodemailer/lib/mail-composer';
import SMTPConnection from 'nodemailer/lib/smtp-connection';
import type { ChannelOf } from '../store/notify-entities.ts';
import { DONE, failed, type Message, type Secrets, type Tried, wordsOf } from './message.ts';
import { faultOf, guardedLookup, trusted } from './outward.ts';
import { htmlEscape, oneLine, plain } from './texts.ts';

const SEND_MS = 30_000;
const ANSWER_MS = 10_000;
const RESPONSE_MAX = 8192;

/** Hands a message to the mail server. What it says is told by its code alone. */
export async function sendEmail(
  channel: ChannelOf<'email'>,
  { password }: Secrets,
  message: Message,
  signal: AbortSignal,
): Promise<Tried> {
  const { settings } = channel;
  const content = await composed(channel, message);
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(SEND_MS)]);
  let socket: Socket | null = null;
  let connection: SMTPConnection | null = null;
  // Whatever it waits for: the end of the socket ends it.
  const end = (): void => {
    connection?.close();
    socket?.destroy();
  };
  deadline.addEventListener('abort', end, { once: true });
  try {
    deadline.throwIfAborted();
    socket = await opened(settings.host, settings.port, deadline);
    connection = new SMTPConnection({
      ...{ host: settings.host, port: settings.port, connection: socket },
      secure: settings.tls === 'implicit',
      requireTLS: settings.tls === 'starttls',
      ignoreTLS: settings.tls === 'none',
      ...{ greetingTimeout: ANSWER_MS, socketTimeout: ANSWER_MS, maxResponseSize: RESPONSE_MAX },
      socketCloseTimeout: 0,
      name: 'postern',
      logger: false,
      tls: { ...trusted(channel.ca), minVersion: 'TLSv1.2', rejectUnauthorized: true },
    });
    await handedOver(connection, deadline, async (step) => {
      await step((smtp, done) => smtp.connect(done));
      if (settings.user !== null) {
        const login = { user: settings.user, pass: password ?? '' };
        await step((smtp, done) => smtp.login(login, done));
      }
      const envelope = { from: settings.from, to: [message.recipient] };
      await step((smtp, done) => smtp.send(envelope, content, done));
    });
    connection.quit();
    return DONE;
  } catch (error) {
    return refusalOf(error as Error, deadline.aborted);
  } finally {
    deadline.removeEventListener('abort', end);
    end();
  }
}

type Done = (error?: Error | null) => void;
type Step = (act: (smtp: SMTPConnection, done: Done) => void) => Promise<void>;

/** Runs the steps of a conversation; an error of the connection or the deadline ends whichever is under way. */
async function handedOver(
  smtp: SMTPConnection,
  deadline: AbortSignal,
  talk: (step: Step) => Promise<void>,
): Promise<void> {
  const broken = new Promise<never>((_, reject) => {
    smtp.on('error', reject);
    smtp.on('end', () => reject(new Error('the connection ended')));
    deadline.addEventListener('abort', () => reject(new Error('it took too long')), { once: true });
  });
  broken.catch(() => undefined);
  await talk((act) =>
    Promise.race([
      broken,
      new Promise<void>((resolve, reject) => {
        act(smtp, (error) => (error ? reject(error) : resolve()));
      }),
    ]),
  );
}

function opened(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, lookup: guardedLookup(host) });
    socket.setTimeout(ANSWER_MS, () => socket.destroy(new Error('it took too long')));
    signal.addEventListener('abort', () => socket.destroy(new Error('it took too long')), { once: true });
    socket.once('error', (error) => reject(faultOf(error)));
    socket.once('connect', () => {
      socket.setTimeout(0);
      resolve(socket);
    });
  });
}

/** Nothing of it comes from outside but values, each in one line; headers are encoded. */
async function composed(channel: ChannelOf<'email'>, message: Message): Promise<Buffer> {
  const { from } = channel.settings;
  const { subject, text } = wordsOf(channel, message, plain);
  const html = htmlEscape(text);
  const { link } = message.fields;
  const shown = link ? `<p><a href="${htmlEscape(link)}">${htmlEscape(link)}</a></p>` : '';
  const host = from.slice(from.lastIndexOf('@') + 1);
  const mail = new MailComposer({
    from: { name: 'Postern', address: from },
    to: { name: '', address: message.recipient },
    subject: oneLine(subject),
    text: `${text}\n`,
    html: `<!doctype html><html lang="en"><body><p>${html.replaceAll('\n', '<br>')}</p>${shown}</body></html>`,
    messageId: `<${message.id}@${host}>`,
    date: new Date(message.at),
    headers: { 'Auto-Submitted': 'auto-generated', 'X-Postern-Event': message.kind },
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return mail.compile().build();
}

/** A 5xx of the server stands; what it says beside its code is its own text, and told nobody. */
function refusalOf(error: Error, late: boolean): Tried {
  if (late) return failed('it took too long', true);
  const { responseCode, code } = error as Error & { responseCode?: unknown; code?: unknown };
  if (typeof responseCode === 'number' && code !== 'EAUTH') {
    return failed(`the mail server says ${responseCode}`, responseCode < 500);
  }
  if (code === 'EAUTH') return failed('the mail server does not take the user and password', true);
  if (code === 'ETLS') return failed('the TLS of the mail server is not as it must be', true);
  return failed(faultOf(error).message, true);
}
