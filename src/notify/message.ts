/** A delivery with all that its medium needs. */
import type { Channel, Delivery } from '../store/notify-entities.ts';
import { eventKind } from './events.ts';
import { type Fields, plain, type Rendered, render } from './texts.ts';

export interface Message {
  /** The same at every try: by it a receiver tells a message that comes twice. */
  readonly id: string;
  readonly kind: string;
  /** When it was made, RFC 3339. */
  readonly at: string;
  readonly recipient: string;
  /** With `event`, `time` and `link`. */
  readonly fields: Fields;
}

/** What became of a try. `again`: whether another one may fare better. */
export type Tried =
  | { readonly done: true }
  | {
      readonly done: false;
      readonly again: boolean;
      readonly error: string;
      readonly askedMs: number | null;
    };

export const DONE: Tried = { done: true };

export const failed = (error: string, again: boolean, askedMs: number | null = null): Tried => ({
  ...{ done: false, again, error, askedMs },
});

/** Secrets of a channel, by what they are. */
export type Secrets = Readonly<Record<string, string>>;

/** @param publicUrl under which browsers reach the API */
export function messageOf(delivery: Delivery, publicUrl: string): Message {
  const { id, kind, fields, recipient, createdAt } = delivery;
  const { path, ...rest } = fields;
  return {
    ...{ id, kind, recipient, at: createdAt },
    fields: {
      event: kind,
      time: `${createdAt.slice(0, 19).replace('T', ' ')}Z`,
      link: path === undefined ? '' : `${publicUrl}${path}`,
      ...rest,
    },
  };
}

/** The words of a message in a medium. A kind that is not known any more says its fields. */
export function wordsOf(channel: Channel, message: Message, harmless: (value: string) => string): Rendered {
  const kind = eventKind(message.kind);
  if (kind === undefined) {
    const lines = Object.entries(message.fields).map(([name, value]) => `${name}: ${harmless(value)}`);
    return { subject: plain(message.kind), text: lines.join('\n') };
  }
  const own = channel.texts[message.kind] ?? { subject: null, text: kind.text };
  return render(own, kind, message.fields, harmless);
}
