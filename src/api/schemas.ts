/**
 * Shapes of the API. Bodies refuse unknown properties; answers are cut down to what is written here, so that a
 * field added to the state does not leave by itself.
 */
import { type TSchema, Type } from 'typebox';
import { DAYS } from '../core/conditions.ts';
import { PROTOCOLS } from '../core/views.ts';
import { PARTS, TEXT_MODES } from '../evidence/format.ts';
import { PRINCIPAL_KINDS, ROLES } from '../store/entities.ts';

const text = (maxLength: number) => Type.String({ minLength: 1, maxLength });
export const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
export const oneOf = <const T extends readonly string[]>(values: T) =>
  Type.Unsafe<T[number]>({ type: 'string', enum: values });
export const closed = { additionalProperties: false };

export const refText = text(320);
export const idText = Type.String({ pattern: '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' });
export const timeText = Type.String({ format: 'date-time', maxLength: 40 });
export const reason = text(1000);
const seconds = Type.Integer({ minimum: 1, maximum: 7_776_000 });

export const RefParams = Type.Object({ ref: refText });
export const IdParams = Type.Object({ id: idText });
export const ReasonBody = Type.Object({ reason }, closed);
/** Query values arrive as text. */
export const page = {
  limit: Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,3}$' })),
  cursor: Type.Optional(idText),
};
export const PageQuery = Type.Object(page, closed);

export const Ref = Type.Object({ id: Type.String(), name: Type.String() });
/** How Postern proves itself to a service. */
const HttpAuth = Type.Union([
  Type.Object({ kind: oneOf(['basic', 'bearer', 'certificate'] as const) }, closed),
  Type.Object({ kind: Type.Literal('header'), name: text(63) }, closed),
  Type.Object({ kind: Type.Literal('sigv4'), region: text(63), service: text(63) }, closed),
]);
const HttpSettings = Type.Object(
  {
    hosts: Type.Array(text(253), { maxItems: 16 }),
    basePath: Type.String({ maxLength: 200 }),
    auth: HttpAuth,
  },
  closed,
);

const PersonRef = Type.Object({ id: Type.String(), name: Type.String(), email: Type.String() });

export const roles = oneOf(ROLES);
export const Person = Type.Object({
  id: Type.String(),
  name: Type.String(),
  email: Type.String(),
  roles: Type.Array(Type.String()),
  status: Type.String(),
  statusReason: orNull(Type.String()),
  createdAt: Type.String(),
  directory: orNull(
    Type.Object({
      id: Type.String(),
      name: Type.String(),
      userName: Type.String(),
      externalId: orNull(Type.String()),
      state: Type.String(),
      given: Type.Array(Type.String()),
    }),
  ),
});

export const Principal = Type.Object({
  id: Type.String(),
  name: Type.String(),
  kind: Type.String(),
  owner: PersonRef,
  backupOwner: orNull(PersonRef),
  purpose: Type.String(),
  environment: Type.String(),
  reviewIntervalDays: Type.Integer(),
  expiresAt: orNull(Type.String()),
  tags: Type.Record(Type.String(), Type.String()),
  sponsor: orNull(Type.String()),
  rehomeBy: orNull(Type.String()),
  activeSince: Type.String(),
  status: Type.String(),
  statusReason: orNull(Type.String()),
  createdAt: Type.String(),
});

const HeldLogin = Type.Object({
  user: Type.String(),
  source: orNull(Type.String({ description: 'where the password is kept, when that is not the vault' })),
  since: Type.String({ description: 'since when it is this password' }),
});

export const Resource = Type.Object({
  id: Type.String(),
  name: Type.String(),
  protocol: Type.String(),
  host: Type.String(),
  port: Type.Integer(),
  database: Type.String(),
  http: orNull(HttpSettings),
  tls: Type.Object({
    mode: Type.String(),
    ca: orNull(Type.String()),
    serverName: orNull(Type.String()),
    negotiation: Type.String(),
  }),
  environment: Type.String(),
  classification: Type.String(),
  durability: Type.String(),
  catalogAccess: Type.String(),
  resultDigest: Type.Boolean(),
  upstream: HeldLogin,
  admin: orNull(HeldLogin),
  rotateSeconds: orNull(
    Type.Integer({ description: 'how old its passwords become before they are replaced' }),
  ),
  owner: orNull(PersonRef),
  status: Type.String(),
  statusReason: orNull(Type.String()),
  createdAt: Type.String(),
});

/** `src/core/conditions.ts` says what they mean and checks their values. */
export const Conditions = Type.Object(
  {
    maxRows: Type.Optional(Type.Integer()),
    requireWhere: Type.Optional(Type.Boolean()),
    noDdl: Type.Optional(Type.Boolean()),
    fingerprints: Type.Optional(Type.Array(text(64), { maxItems: 256 })),
    hours: Type.Optional(
      Type.Array(
        Type.Object(
          {
            days: Type.Array(oneOf(DAYS), { minItems: 1, maxItems: 7 }),
            from: text(5),
            to: text(5),
            timeZone: text(64),
          },
          closed,
        ),
        { maxItems: 16 },
      ),
    ),
    sources: Type.Optional(Type.Array(text(64), { maxItems: 256 })),
    statementTimeoutMs: Type.Optional(Type.Integer()),
    idleTimeoutMs: Type.Optional(Type.Integer()),
    maxRowBytes: Type.Optional(Type.Integer()),
  },
  closed,
);

export const Grant = Type.Object({
  id: Type.String(),
  principal: Ref,
  resource: Ref,
  scope: Type.String(),
  conditions: Conditions,
  start: Type.String(),
  end: Type.String(),
  status: Type.String(),
  endReason: orNull(Type.String()),
  endedAt: orNull(Type.String()),
  authority: Type.Object({
    kind: Type.String(),
    approvers: Type.Array(Ref),
    request: Type.Optional(Type.String()),
    rule: Type.Optional(
      Type.Object({ policy: Type.String(), revision: Type.Integer(), rule: Type.String() }),
    ),
    reviewBy: Type.Optional(Type.String()),
    ticket: orNull(Type.String()),
    justification: orNull(Type.String()),
  }),
  createdAt: Type.String(),
});

/** On whose behalf, the origin first. */
export const Chain = Type.Array(
  Type.Object({ kind: Type.String(), id: Type.String(), name: Type.String(), delegation: Type.String() }),
);

export const Credential = Type.Object({
  id: Type.String(),
  principal: Ref,
  grant: orNull(Type.String()),
  resource: orNull(Type.String()),
  kind: Type.String(),
  certificateSha256: orNull(Type.String()),
  confirmation: orNull(
    Type.Object({
      jkt: Type.Optional(Type.String()),
      x5tS256: Type.Optional(Type.String()),
      ssh: Type.Optional(Type.String()),
    }),
  ),
  exchange: orNull(
    Type.Object({
      binding: Type.String(),
      kind: Type.String(),
      issuer: orNull(Type.String()),
      subject: orNull(Type.String()),
      jti: orNull(Type.String()),
      sha256: Type.String(),
      claims: Type.Record(Type.String(), Type.String()),
      source: Type.String(),
    }),
  ),
  delegation: Chain,
  expiresAt: Type.String(),
  status: Type.String(),
  endReason: orNull(Type.String()),
  endedAt: orNull(Type.String()),
  createdAt: Type.String(),
});

export const listOf = (item: TSchema) =>
  Type.Object({ items: Type.Array(item), next: orNull(Type.String()) });

export const Address = Type.Object({ host: Type.String(), port: Type.Integer() });

export const SetupBody = Type.Object({ token: text(100), name: text(200), email: text(254) }, closed);
export const PersonBody = Type.Object(
  {
    name: text(200),
    email: text(254),
    roles: Type.Array(roles, { minItems: 1, maxItems: 5, uniqueItems: true }),
  },
  closed,
);
/** Roles by the name of a group. */
export const GroupRoles = Type.Record(
  Type.String({ maxLength: 200 }),
  Type.Array(roles, { maxItems: 5, uniqueItems: true }),
  { maxProperties: 200 },
);

export const Authenticator = Type.Object({
  id: Type.String(),
  person: Ref,
  kind: Type.String(),
  label: Type.String(),
  provider: Type.Optional(Ref),
  issuer: Type.Optional(Type.String()),
  subject: Type.Optional(Type.String()),
  credentialId: Type.Optional(Type.String()),
  rpId: Type.Optional(Type.String()),
  aaguid: Type.Optional(Type.String()),
  backedUp: Type.Optional(Type.Boolean()),
  status: Type.String(),
  endReason: orNull(Type.String()),
  endedAt: orNull(Type.String()),
  createdAt: Type.String(),
});

export const PersonUpdateBody = Type.Object(
  {
    name: Type.Optional(text(200)),
    email: Type.Optional(text(254)),
    roles: Type.Optional(Type.Array(roles, { minItems: 1, maxItems: 5, uniqueItems: true })),
    reason,
  },
  closed,
);
export const TokenBody = Type.Object(
  { ttlSeconds: Type.Optional(seconds), sensitive: Type.Optional(Type.Boolean()) },
  closed,
);

export const principalKind = oneOf(PRINCIPAL_KINDS);
export const principalStatus = oneOf(['active', 'suspended', 'disabled', 'retired'] as const);
export const PrincipalBody = Type.Object(
  {
    name: text(200),
    kind: principalKind,
    owner: refText,
    backupOwner: refText,
    purpose: text(2000),
    environment: text(200),
    reviewIntervalDays: Type.Optional(Type.Integer({ minimum: 1, maximum: 366 })),
    expiresAt: Type.Optional(timeText),
    tags: Type.Optional(Type.Record(text(63), text(200), { maxProperties: 32 })),
    sponsor: Type.Optional(text(200)),
  },
  closed,
);
export const principalChange = {
  owner: Type.Optional(refText),
  backupOwner: Type.Optional(refText),
  purpose: Type.Optional(text(2000)),
  environment: Type.Optional(text(200)),
  reviewIntervalDays: Type.Optional(Type.Integer({ minimum: 1, maximum: 366 })),
  expiresAt: Type.Optional(orNull(timeText)),
  tags: Type.Optional(Type.Record(text(63), orNull(text(200)), { maxProperties: 64 })),
  sponsor: Type.Optional(orNull(text(200))),
};
export const PrincipalUpdateBody = Type.Object({ ...principalChange, reason }, closed);

const tls = Type.Object(
  {
    mode: oneOf(['disable', 'require', 'verify-ca', 'verify-full'] as const),
    ca: Type.Optional(text(65_536)),
    serverName: Type.Optional(text(253)),
    negotiation: Type.Optional(oneOf(['postgres', 'direct'] as const)),
  },
  closed,
);
/** One of the two. */
const whence = {
  // A certificate with its key is one too.
  password: Type.Optional(text(20_000)),
  source: Type.Optional(
    Type.String({ minLength: 1, maxLength: 1000, description: 'a reference to where the password is kept' }),
  ),
};
const Login = Type.Object({ user: text(200), ...whence }, closed);

export const ResourceBody = Type.Object(
  {
    name: text(200),
    protocol: oneOf(PROTOCOLS),
    host: text(253),
    port: Type.Integer({ minimum: 1, maximum: 65_535 }),
    database: Type.Optional(text(200)),
    http: Type.Optional(HttpSettings),
    tls,
    environment: text(200),
    classification: text(200),
    durability: Type.Optional(oneOf(['process', 'power'] as const)),
    catalogAccess: Type.Optional(oneOf(['tools', 'none'] as const)),
    resultDigest: Type.Optional(Type.Boolean()),
    owner: Type.Optional(refText),
    upstream: Login,
    admin: Type.Optional(Login),
  },
  closed,
);

export const ResourceUpdateBody = Type.Object(
  {
    host: Type.Optional(text(253)),
    port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535 })),
    database: Type.Optional(text(200)),
    http: Type.Optional(HttpSettings),
    tls: Type.Optional(tls),
    environment: Type.Optional(text(200)),
    classification: Type.Optional(text(200)),
    durability: Type.Optional(oneOf(['process', 'power'] as const)),
    catalogAccess: Type.Optional(oneOf(['tools', 'none'] as const)),
    resultDigest: Type.Optional(Type.Boolean()),
    owner: Type.Optional(orNull(refText)),
    reason,
  },
  closed,
);

const login = Type.Optional(oneOf(['upstream', 'admin'] as const));
export const ResourcePasswordBody = Type.Object({ login, ...whence, reason: text(2000) }, closed);
export const RotatePasswordBody = Type.Object(
  {
    login,
    reason: text(2000),
    everySeconds: Type.Optional(orNull(Type.Integer({ minimum: 3600, maximum: 34_560_000 }))),
  },
  closed,
);

export const ResourceAdminBody = Type.Object({ admin: orNull(Login), reason: text(2000) }, closed);

export const GrantBody = Type.Object(
  {
    principal: refText,
    resource: refText,
    scope: text(16_384),
    conditions: Type.Optional(Conditions),
    start: Type.Optional(timeText),
    end: Type.Optional(timeText),
    ttlSeconds: Type.Optional(seconds),
    ticket: Type.Optional(text(200)),
    justification: Type.Optional(text(2000)),
  },
  closed,
);

export const CredentialBody = Type.Object(
  {
    principal: refText,
    kind: Type.Optional(oneOf(['password', 'certificate'] as const)),
    csr: Type.Optional(text(16_384)),
    grant: Type.Optional(idText),
    ttlSeconds: Type.Optional(seconds),
  },
  closed,
);

export const endingStatus = oneOf(['active', 'expired', 'revoked', 'all'] as const);

export const activityFilter = {
  principal: Type.Optional(refText),
  owner: Type.Optional(refText),
  resource: Type.Optional(refText),
  grant: Type.Optional(refText),
  session: Type.Optional(refText),
  verb: Type.Optional(text(64)),
  object: Type.Optional(text(300)),
  decision: Type.Optional(oneOf(['allow', 'deny'] as const)),
  type: Type.Optional(oneOf(['command', 'session', 'change', 'all'] as const)),
  since: Type.Optional(timeText),
  until: Type.Optional(timeText),
};

export const frameworkChoice = {
  framework: Type.Optional(text(64)),
  /** One of the institution's own, YAML. */
  frameworkText: Type.Optional(text(262_144)),
  period: Type.Optional(text(100)),
  /** IANA name of the zone whose calendar the period is of; absent: UTC. */
  zone: Type.Optional(text(64)),
};

export const EvidenceBody = Type.Object(
  {
    principal: Type.Optional(refText),
    resource: Type.Optional(refText),
    since: Type.Optional(timeText),
    until: Type.Optional(timeText),
    statements: Type.Optional(oneOf(TEXT_MODES)),
    ...frameworkChoice,
    parts: Type.Optional(Type.Array(oneOf(PARTS), { uniqueItems: true, maxItems: PARTS.length })),
  },
  closed,
);
