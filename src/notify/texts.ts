/**
 * Texts with named fields: `{{principal}}`. A line of which every field is empty is left out. Values come from anywhere, so they are
 * made one line, cut, and escaped for the medium; the words around them are those of an administrator. Pure.
 */
import { PosternError } from '../core/errors.ts';
import type { OwnText } from '../store/notify-entities.ts';
import { COMMON_FIELDS, type EventKind } from './events.ts';

export const TEXT_MAX = 4000;
const SUBJECT_MAX = 200;
const FIELD_MAX = 600;
/** Slack takes 3000 characters in a section. */
const RENDERED_MAX = 2900;
const FIELD = /\{\{([^{}]*)\}\}/g;
/** As in `identity/input.ts`: what moves a cursor, hides text or turns its direction. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+/u;
const ALL_HIDDEN = new RegExp(HIDDEN, 'gu');

export type Fields = Readonly<Record<string, string>>;
type Escape = (value: string) => string;

/** What a message says, before it takes the form of its medium. */
export interface Rendered {
  readonly subject: string;
  readonly text: string;
}

/**
 * Checks own words for an event when they are saved.
 *
 * @throws PosternError POSTERN_INVALID naming the field that there is not
 */
export function checkOwnText(name: string, kind: EventKind, { subject, text }: OwnText): OwnText {
  if (subject !== null && (subject === '' || subject.length > SUBJECT_MAX || HIDDEN.test(subject))) {
    throw invalid(`The subject for ${name} is one line of at most ${SUBJECT_MAX} characters.`);
  }
  if (text.trim() === '' || text.length > TEXT_MAX || HIDDEN.test(text.replaceAll('\n', ''))) {
    throw invalid(`The text for ${name} has 1 to ${TEXT_MAX} characters, and no control characters.`);
  }
  const known = [...Object.keys(COMMON_FIELDS), ...Object.keys(kind.fields)];
  for (const part of [subject ?? '', text]) {
    for (const [, field = ''] of part.matchAll(FIELD)) {
      if (!known.includes(field)) {
        throw invalid(
          `The text for ${name} names a field that there is not: ${JSON.stringify(field.slice(0, 60))}.`,
          `There are ${known.join(', ')}.`,
        );
      }
    }
    if (/\{\{|\}\}/.test(part.replaceAll(FIELD, ''))) {
      throw invalid(`The text for ${name} has braces that belong to no field.`, 'A field is {{principal}}.');
    }
  }
  return { subject, text };
}

/** The words of an event in a medium. @param harmless makes a value harmless there */
export function render(words: OwnText, kind: EventKind, fields: Fields, harmless: Escape): Rendered {
  // A subject is of e-mail, whose headers are encoded.
  const subject = fill(words.subject ?? kind.subject, fields, plain);
  const lines = words.text.split('\n').flatMap((line) => {
    const named = [...line.matchAll(FIELD)];
    if (named.length > 0 && named.every(([, field = '']) => fieldOf(fields, field) === '')) return [];
    return [fill(line, fields, harmless)];
  });
  return { subject: cut(subject, SUBJECT_MAX), text: cut(lines.join('\n'), RENDERED_MAX) };
}

const fill = (line: string, fields: Fields, harmless: Escape): string =>
  line.replaceAll(FIELD, (_all, field: string) => harmless(fieldOf(fields, field)));

function fieldOf(fields: Fields, field: string): string {
  const value = Object.hasOwn(fields, field) ? (fields[field] ?? '') : '';
  return cut(oneLine(value), FIELD_MAX);
}

/** One line without anything hidden. */
export const oneLine = (text: string): string => text.replaceAll(ALL_HIDDEN, ' ').trim();

/** Cut between characters, never within one. */
function cut(text: string, max: number): string {
  if (text.length <= max) return text;
  return `${text.slice(0, max - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

export const plain: Escape = (value) => value;

/**
 * For Slack's mrkdwn: no mention, link or entity comes of a value, and no formatting either.
 *
 * @see https://docs.slack.dev/messaging/formatting-message-text#escaping
 */
export const slackEscape: Escape = (value) =>
  value
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    // A zero-width space keeps the marks from being marks.
    .replaceAll(/[*_~`]/g, (mark) => `\u200b${mark}`);

export const htmlEscape: Escape = (value) =>
  value.replaceAll(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`);

const invalid = (message: string, hint?: string): PosternError =>
  new PosternError('POSTERN_INVALID', message, hint);
