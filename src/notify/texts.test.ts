import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EVENT_NAMES, eventKind } from './events.ts';
import { checkOwnText, htmlEscape, plain, render, slackEscape } from './texts.ts';

const KIND = eventKind('request.opened');
assert.ok(KIND !== undefined);
const kind = KIND;

test('the words that come with every event name fields that it has', () => {
  for (const name of EVENT_NAMES) {
    const each = eventKind(name);
    assert.ok(each !== undefined);
    checkOwnText(name, each, { subject: each.subject, text: each.text });
    const { subject, text } = render({ subject: null, text: each.text }, each, each.fields, plain);
    assert.doesNotMatch(subject + text, /[{}]/, name);
  }
});

test('own words that name a field there is not, or leave braces open, are refused when they are saved', () => {
  for (const text of [
    '{{statement}}',
    '{{ principal }}',
    '{{principal',
    '{{__proto__}}',
    '}}',
    '{{}}',
    '',
    ' ',
  ]) {
    assert.throws(
      () => checkOwnText('request.opened', kind, { subject: null, text }),
      /POSTERN_INVALID|text for/,
    );
  }
  assert.throws(() => checkOwnText('x', kind, { subject: 'a\nBcc: x@example.org', text: 'a' }), /one line/);
  assert.throws(() => checkOwnText('x', kind, { subject: null, text: 'a\u202eb' }), /control characters/);
});

test('a line of which every field is empty is left out; one without fields stays', () => {
  const words = { subject: null, text: 'Ticket: {{ticket}}\n\nfor {{principal}} {{ticket}}' };
  assert.equal(render(words, kind, { principal: 'p' }, plain).text, '\nfor p ');
});

test('a value is one line, whatever it holds, and cannot name another field', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 900 }), (value) => {
      const words = { subject: '{{principal}}', text: 'a {{principal}} b' };
      const { subject, text } = render(words, kind, { principal: value, ticket: 'SECRET' }, plain);
      assert.doesNotMatch(text, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      assert.doesNotMatch(subject, /[\r\n]/);
      assert.ok(text.length < 620 && subject.length <= 200);
      if (!value.includes('SECRET')) assert.ok(!text.includes('SECRET'));
    }),
  );
});

test("a value makes no mention, link or formatting in Slack's mrkdwn, and no tag in HTML", () => {
  const value = '<!channel> <https://evil.example|bank> *bold* & "x"';
  const shown = slackEscape(value);
  assert.doesNotMatch(shown, /<|>|(?<!\u200b)\*/);
  assert.match(shown, /&lt;!channel&gt;/);
  assert.doesNotMatch(htmlEscape(value), /[<>"]/);
});
