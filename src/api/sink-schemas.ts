import { Type } from 'typebox';
import { closed, oneOf, orNull } from './schemas.ts';

const text = Type.String({ minLength: 1, maxLength: 2000 });
const pem = Type.Optional(orNull(Type.String({ minLength: 1, maxLength: 65_536 })));
const count = Type.Optional(Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1 }));

/** Where events are to go, by kind. */
export const SINK_TARGET = Type.Union([
  Type.Object({ kind: Type.Literal('file'), maxBytes: count, keep: count }, closed),
  Type.Object(
    { kind: oneOf(['https', 'otlp'] as const), url: text, header: Type.Optional(text), ca: pem },
    closed,
  ),
  Type.Object(
    { kind: Type.Literal('syslog'), host: text, port: count, facility: count, ca: pem, certificate: pem },
    closed,
  ),
  Type.Object(
    {
      kind: Type.Literal('kafka'),
      brokers: Type.Array(text, { minItems: 1, maxItems: 16 }),
      topic: text,
      tls: Type.Optional(Type.Boolean()),
      ca: pem,
      sasl: Type.Optional(
        orNull(
          Type.Object(
            { mechanism: oneOf(['plain', 'scram-sha-256', 'scram-sha-512'] as const), user: text },
            closed,
          ),
        ),
      ),
    },
    closed,
  ),
]);
