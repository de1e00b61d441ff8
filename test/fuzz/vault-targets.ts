/** Readers of what lies at rest, or comes from a program with a master key; and what a directory of people sends. */
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { ScimError } from '../../src/api/scim/errors.ts';
import { attributePath, meets, parseFilter } from '../../src/api/scim/filter.ts';
import { patched } from '../../src/api/scim/patch.ts';
import { DataKeys } from '../../src/core/data-keys.ts';
import { PosternError } from '../../src/core/errors.ts';
import { bytesIn, keyIdIn, readAnswer } from '../../src/vault/exec-answer.ts';
import { type Envelope, envelopesOf, openEnvelope } from '../../src/vault/keyring-file.ts';
import { LocalMasterKey } from '../../src/vault/master-key.ts';
import { keyNumberOf, SecretBox } from '../../src/vault/secrets.ts';
import { answers, type FuzzTarget } from './target.ts';

/** A value sealed once under a key of these bytes: an input that was kept must mean the same in every run. */
const BOX = new SecretBox(DataKeys.of(Buffer.alloc(32, 5)));
const CONTEXT = 'resource:01a1ffcb';
const SEALED = Buffer.from('AgAAAAGakQCkS45WmF574GK3pN2rmrCEgud7akFmQ7kPKn35iglehU86Ug==', 'base64');

/** A keyring of the same kind, for a master key of these bytes. */
const MASTER = new LocalMasterKey(Buffer.alloc(32, 6), 'file');
const KEYRING = `{"format":"postern keyring 1","envelopes":[{"masterKey":"54edb5e4a85fc7e6","provider":"file","since":"2026-01-01T00:00:00Z","wrapped":"sfh0APVUy+LANOPAt9RONFHvjqoX5BxIAwriy7js21vuaaD4VNTF8W9zLgx/WboBpc9mXoSoGD45NQDO","sealed":"3JsZLE+FAylZVQ0UrOhyhnKESHIyacifLC8Y06YnSUR18RcFjfUoo37a/vOQLIu6txczbSqziWwOVlYHxckXzXByu1SDxk4AmvC/7jEKG7xFhp+P7KkKtmuxhK0vrKn+3fIW+tfcE7M2FU+5Ssx0Xs4Wu6b9tQYf7pX8viYUlyLGSLeFrC2Ad+q8vWE7r2ocATxg27or4HsrFOPVdKjEsrpi55nd0k0kfGg90VvxZQ9poJPXmQaClU6wMleGSnayDij45KhvRubl0kWXviTlyf8="}]}`;
const [ENVELOPE] = envelopesOf(KEYRING) as readonly [Envelope];

const USER = {
  id: 'u',
  userName: 'ada@bank.example',
  active: true,
  emails: [{ type: 'work', value: 'ada@bank.example' }],
  name: { familyName: 'Boone' },
};
const PATCH = { schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'] };

/** That nothing in it has another prototype than JSON gives. */
function checkPlain(value: unknown, depth = 0): void {
  if (typeof value !== 'object' || value === null || depth > 20) return;
  const made = Object.getPrototypeOf(value) as unknown;
  assert.ok(made === Object.prototype || made === Array.prototype, 'a value with a prototype of somebody');
  for (const each of Object.values(value)) checkPlain(each, depth + 1);
}

export const VAULT_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'scim',
    covers: ['src/api/scim/filter.ts', 'src/api/scim/patch.ts'],
    seeds: [
      'userName eq "ada@bank.example"',
      'emails[type eq "work" and value eq "ada@bank.example"].value',
      'urn:ietf:params:scim:schemas:core:2.0:User:name.familyName',
      'active eq true and name.familyName eq null',
      '[{"op":"add","path":"emails[type eq \\"home\\"].value","value":"x"},{"op":"remove","path":"name"}]',
      '[{"op":"replace","value":{"active":false,"name.familyName":"x"}}]',
    ],
    words: [
      ...[
        ' eq ',
        ' and ',
        '[',
        ']',
        '"',
        '\\',
        '.',
        'urn:',
        ':',
        '(',
        'null',
        'true',
        '-1.5',
        'value',
        'members',
      ],
      ...[
        '__proto__',
        'constructor',
        'prototype',
        'id',
        'meta',
        '{"op":"add","path":"',
        '","value":',
        '"remove"',
      ],
    ],
    run(input) {
      const text = input.toString('utf8');
      const conditions = answers(() => parseFilter(text), ScimError);
      if (conditions !== null) {
        assert.ok(conditions.length > 0, 'a filter that asks for nothing fits everything');
        meets(USER, conditions);
        assert.equal(meets({}, conditions), false);
      }
      attributePath(text);
      const json = answers(() => JSON.parse(text) as unknown, SyntaxError);
      const asked = Array.isArray(json) ? json : [];
      const operations = [
        ...[
          { op: 'replace', path: text, value: 'x' },
          { op: 'add', path: text, value: [{ value: 'x' }] },
        ],
        ...[{ op: 'remove', path: text }, ...asked],
      ];
      const whole =
        asked.length > 0 ? [asked, ...operations.map((each) => [each])] : operations.map((each) => [each]);
      for (const each of whole) {
        const before = structuredClone(USER);
        const result = answers(() => patched(USER, { ...PATCH, Operations: each }), ScimError);
        assert.ok(isDeepStrictEqual(USER, before), 'what was there was changed in place');
        if (result === null) continue;
        assert.equal(result.id, 'u', 'an id was changed');
        checkPlain(result);
      }
      assert.equal(({} as { readonly value?: unknown }).value, undefined);
    },
  },
  {
    name: 'sealed',
    covers: ['src/vault/secrets.ts', 'src/vault/keyring-file.ts', 'src/vault/master-key.ts'],
    seeds: [SEALED, KEYRING],
    words: ['"sealed": "', '"wrapped": "', '"envelopes": [', Buffer.from([1]), Buffer.from([2, 0, 0, 0, 1])],
    async run(input) {
      const secret = answers(() => BOX.open(input, CONTEXT), PosternError);
      if (secret !== null) assert.ok(input.equals(SEALED), 'an altered value was opened');
      assert.equal(
        answers(() => BOX.open(input, 'resource:another'), PosternError),
        null,
      );
      const number = keyNumberOf(input);
      assert.ok(number === null || number >= 0);
      for (const envelope of envelopesOf(input.toString('utf8')) ?? []) {
        const open = await openEnvelope(envelope, MASTER).catch((error: unknown) => {
          if (error instanceof PosternError) return null;
          throw error;
        });
        if (open === null) continue;
        const { masterKey, provider, since } = envelope;
        const same = { masterKey, provider, since };
        assert.deepEqual(same, {
          masterKey: ENVELOPE.masterKey,
          provider: ENVELOPE.provider,
          since: ENVELOPE.since,
        });
        for (const name of ['wrapped', 'sealed'] as const) {
          const bytes = Buffer.from(envelope[name], 'base64');
          assert.ok(bytes.equals(Buffer.from(ENVELOPE[name], 'base64')), 'an altered keyring was opened');
        }
      }
    },
  },
  {
    name: 'exec-answer',
    covers: ['src/vault/exec-answer.ts'],
    seeds: [
      '{"keyId":"hsm-one"}',
      '{"wrapped":"AAECAwQ="}\n',
      `{"key":"${Buffer.alloc(32, 1).toString('base64')}"}`,
    ],
    words: ['"keyId":', '"wrapped":', '"key":', 'null', '[', '{', '=', '__proto__', '\\u0000'],
    run(input) {
      const answer = readAnswer(input);
      if (answer === null) return;
      const id = keyIdIn(answer);
      if (id !== null) assert.match(id, /^[!-~]{1,128}$/);
      for (const field of ['wrapped', 'key', '__proto__', 'toString']) {
        const bytes = bytesIn(answer, field);
        if (bytes !== null) assert.equal(bytes.toString('base64'), Reflect.get(answer, field));
      }
    },
  },
];
