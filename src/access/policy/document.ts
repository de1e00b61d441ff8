/**
 * The access policy as people write it: rules in order, of which the first that fits a request decides. docs/policy.md is
 * the page for users.
 */
import Type, { type Static } from 'typebox';
import { readHours } from '../../core/condition-words.ts';
import { checkConditions, type GrantConditions, type Hours } from '../../core/conditions.ts';
import { durationSeconds } from '../../core/duration.ts';
import { PosternError } from '../../core/errors.ts';
import { type DocumentPath, readDocument } from '../../core/yaml.ts';
import { PRINCIPAL_KINDS, ROLES, type Role } from '../../store/entities.ts';

/** By whom a request may be approved. */
export type Approver =
  | { readonly kind: 'owner' }
  | { readonly kind: 'backup-owner' }
  | { readonly kind: 'resource-owner' }
  | { readonly kind: 'role'; readonly role: Role }
  | { readonly kind: 'group'; readonly name: string }
  | { readonly kind: 'person'; readonly name: string };

/** So many different people of these. */
export interface Approval {
  readonly count: number;
  readonly from: readonly Approver[];
}

export interface Who {
  /** Globs of names. */
  readonly principals: readonly string[] | null;
  readonly kinds: readonly string[] | null;
  readonly environments: readonly string[] | null;
  readonly tags: Readonly<Record<string, string>>;
  /** What the token that proved the principal must have said. */
  readonly claims: Readonly<Record<string, string>>;
  /** Whether it is a third party's. */
  readonly sponsored: boolean | null;
}

export interface What {
  /** Globs of names. */
  readonly resources: readonly string[] | null;
  readonly environments: readonly string[] | null;
  readonly classifications: readonly string[] | null;
  /** What is asked for must lie within it; null: whatever is asked for. */
  readonly scope: string | null;
  /** Seconds. */
  readonly longest: number;
}

export interface When {
  readonly hours: readonly Hours[];
  /** CIDR blocks. */
  readonly sources: readonly string[];
  /** Glob. */
  readonly ticket: string | null;
  readonly justification: boolean;
  /** The principal's environment must be the resource's. */
  readonly sameEnvironment: boolean;
}

interface RuleBase {
  readonly name: string;
  readonly about: string | null;
  readonly who: Who;
  readonly what: What;
  readonly when: When;
}

export interface DenyRule extends RuleBase {
  readonly effect: 'deny';
  readonly reason: string;
}

export interface AllowRule extends RuleBase {
  readonly effect: 'allow';
  /** Empty: at once. */
  readonly approvals: readonly Approval[];
  /** Put on what is granted, beside what was asked for. */
  readonly conditions: GrantConditions;
  /** Only for requests that say that it is an emergency; the use is reviewed within so many seconds. */
  readonly emergency: { readonly reviewSeconds: number } | null;
  /** Whether connecting without a grant makes the request by itself, for this scope and time. */
  readonly onConnect: { readonly scope: string; readonly seconds: number } | null;
}

export type PolicyRule = DenyRule | AllowRule;

/** A question with the answer that is expected: a test that travels with the policy. */
export interface PolicyCase {
  readonly name: string;
  readonly ask: Static<typeof AskShape>;
  readonly expect: Static<typeof ExpectShape>;
}

export interface PolicyDocument {
  readonly name: string;
  readonly rules: readonly PolicyRule[];
  readonly cases: readonly PolicyCase[];
  /** Whether people may make grants beside the policy, on their own word. */
  readonly directGrants: boolean;
}

const closed = { additionalProperties: false } as const;
const text = (max: number) => Type.String({ minLength: 1, maxLength: max });
const list = (max = 200) => Type.Array(text(max), { minItems: 1, maxItems: 256 });
const labels = Type.Record(Type.String(), text(256));
const oneOf = <const T extends readonly string[]>(values: T) =>
  Type.Unsafe<T[number]>({ type: 'string', enum: values });

const WhoShape = Type.Object(
  {
    principals: Type.Optional(list()),
    kinds: Type.Optional(Type.Array(oneOf(PRINCIPAL_KINDS), { minItems: 1, maxItems: 8 })),
    environments: Type.Optional(list()),
    tags: Type.Optional(labels),
    claims: Type.Optional(labels),
    sponsored: Type.Optional(Type.Boolean()),
  },
  closed,
);
const WhatShape = Type.Object(
  {
    resources: Type.Optional(list()),
    environments: Type.Optional(list()),
    classifications: Type.Optional(list()),
    scope: Type.Optional(text(16_384)),
    longest: Type.Optional(text(40)),
  },
  closed,
);
const WhenShape = Type.Object(
  {
    hours: Type.Optional(list()),
    sources: Type.Optional(list()),
    ticket: Type.Optional(text(200)),
    justification: Type.Optional(Type.Boolean()),
    sameEnvironment: Type.Optional(Type.Boolean()),
  },
  closed,
);
const ConditionsShape = Type.Object(
  {
    maxRows: Type.Optional(Type.Integer()),
    requireWhere: Type.Optional(Type.Boolean()),
    noDdl: Type.Optional(Type.Boolean()),
    fingerprints: Type.Optional(list()),
    hours: Type.Optional(list()),
    sources: Type.Optional(list()),
    statementTimeout: Type.Optional(text(40)),
    idleTimeout: Type.Optional(text(40)),
    maxRowBytes: Type.Optional(Type.Integer()),
  },
  closed,
);
const ApprovalShape = Type.Object(
  { count: Type.Optional(Type.Integer({ minimum: 1, maximum: 10 })), from: list() },
  closed,
);
const RuleShape = Type.Object(
  {
    name: text(100),
    about: Type.Optional(text(1000)),
    who: Type.Optional(WhoShape),
    what: Type.Optional(WhatShape),
    when: Type.Optional(WhenShape),
    deny: Type.Optional(text(500)),
    approve: Type.Optional(
      Type.Union([Type.Literal('at once'), Type.Array(ApprovalShape, { minItems: 1, maxItems: 8 })]),
    ),
    grant: Type.Optional(ConditionsShape),
    emergency: Type.Optional(Type.Object({ reviewWithin: text(40) }, closed)),
    onConnect: Type.Optional(Type.Object({ scope: text(16_384), for: text(40) }, closed)),
  },
  closed,
);
const AskShape = Type.Object(
  {
    principal: Type.Object(
      {
        name: text(100),
        kind: Type.Optional(oneOf(PRINCIPAL_KINDS)),
        environment: Type.Optional(text(100)),
        tags: Type.Optional(labels),
        claims: Type.Optional(labels),
        sponsored: Type.Optional(Type.Boolean()),
      },
      closed,
    ),
    resource: Type.Object(
      { name: text(100), environment: Type.Optional(text(100)), classification: Type.Optional(text(100)) },
      closed,
    ),
    scope: text(16_384),
    for: text(40),
    at: Type.Optional(text(40)),
    source: Type.Optional(text(60)),
    ticket: Type.Optional(text(200)),
    justification: Type.Optional(text(2000)),
    emergency: Type.Optional(Type.Boolean()),
  },
  closed,
);
const ExpectShape = Type.Object(
  {
    decision: oneOf(['at once', 'approval', 'denied'] as const),
    rule: Type.Optional(text(100)),
  },
  closed,
);
const Shape = Type.Object(
  {
    apiVersion: Type.Literal('postern/v1'),
    kind: Type.Literal('AccessPolicy'),
    metadata: Type.Object({ name: text(63) }, closed),
    spec: Type.Object(
      {
        directGrants: Type.Optional(Type.Boolean()),
        rules: Type.Array(RuleShape, { maxItems: 1000 }),
        cases: Type.Optional(
          Type.Array(Type.Object({ name: text(200), ask: AskShape, expect: ExpectShape }, closed), {
            maxItems: 1000,
          }),
        ),
      },
      closed,
    ),
  },
  closed,
);

const DAY_SECONDS = 86_400;
/** As the longest grant there is. */
const LONGEST = 90 * DAY_SECONDS;

/**
 * Reads a policy and checks all of it.
 *
 * @param file what the messages call it
 * @param checkScope gives a scope in its canonical form, or throws
 * @throws PosternError POSTERN_INVALID with line and reason of each problem
 */
export function readPolicy(
  source: string,
  file: string,
  checkScope: (scope: string) => string,
): PolicyDocument {
  const { value: manifest, lineOf } = readDocument(source, Shape, file);
  const value = manifest.spec;
  const problems: string[] = [];
  const names = new Set<string>();
  /** Runs a check; what it throws is said with the line. */
  const at = <T>(path: DocumentPath, check: () => T, otherwise: T): T => {
    try {
      return check();
    } catch (error) {
      if (!(error instanceof PosternError)) throw error;
      problems.push(`${file}:${lineOf(path)}: ${path.join('/')}: ${error.message}`);
      return otherwise;
    }
  };
  const rules = value.rules.map((rule, index): PolicyRule => {
    const path = ['spec', 'rules', index] as const;
    const seconds = (key: DocumentPath, duration: string, max = LONGEST): number =>
      at([...path, ...key], () => checkDuration(duration, max), 1);
    if (names.has(rule.name)) at([...path, 'name'], () => fail('another rule has this name'), undefined);
    names.add(rule.name);
    const { who = {}, what = {}, when = {} } = rule;
    const base = {
      name: rule.name,
      about: rule.about ?? null,
      who: {
        principals: who.principals ?? null,
        kinds: who.kinds ?? null,
        environments: who.environments ?? null,
        tags: who.tags ?? {},
        claims: who.claims ?? {},
        sponsored: who.sponsored ?? null,
      },
      what: {
        resources: what.resources ?? null,
        environments: what.environments ?? null,
        classifications: what.classifications ?? null,
        scope: at(
          [...path, 'what', 'scope'],
          () => (what.scope === undefined ? null : checkScope(what.scope)),
          null,
        ),
        longest: what.longest === undefined ? LONGEST : seconds(['what', 'longest'], what.longest),
      },
      when: at([...path, 'when'], () => readWhen(when), readWhen({})),
    };
    const { deny, approve, grant, emergency, onConnect } = rule;
    if ((deny === undefined) === (approve === undefined)) {
      at(path, () => fail('a rule either denies or says how it is approved: deny, or approve'), undefined);
    }
    if (deny !== undefined) {
      // It would deny without them too, and an address is known only of who asks for itself.
      if (what.longest ?? when.ticket ?? when.justification ?? when.sources) {
        at(
          path,
          () => fail('a rule that denies has no longest, ticket, justification or sources'),
          undefined,
        );
      }
      if (grant !== undefined || emergency !== undefined || onConnect !== undefined) {
        at(path, () => fail('a rule that denies gives nothing'), undefined);
      }
      return { ...base, effect: 'deny', reason: deny };
    }
    const approvals = approve === undefined || approve === 'at once' ? [] : approve;
    return {
      ...base,
      effect: 'allow',
      approvals: approvals.map(({ count = 1, from }, n) => ({
        count,
        from: from.map((each, m) =>
          at([...path, 'approve', n, 'from', m], () => readApprover(each), { kind: 'owner' as const }),
        ),
      })),
      conditions: at([...path, 'grant'], () => readConditions(grant ?? {}), {}),
      emergency:
        emergency === undefined
          ? null
          : { reviewSeconds: seconds(['emergency', 'reviewWithin'], emergency.reviewWithin) },
      onConnect:
        onConnect === undefined
          ? null
          : {
              scope: at([...path, 'onConnect', 'scope'], () => checkScope(onConnect.scope), ''),
              seconds: seconds(['onConnect', 'for'], onConnect.for, base.what.longest),
            },
    };
  });
  const cases = (value.cases ?? []).map((each, index) => {
    const path = ['spec', 'cases', index] as const;
    at([...path, 'ask', 'scope'], () => checkScope(each.ask.scope), '');
    at([...path, 'ask', 'for'], () => checkDuration(each.ask.for, LONGEST), 1);
    at([...path, 'ask', 'at'], () => checkMoment(each.ask.at), undefined);
    if (each.expect.rule !== undefined && !names.has(each.expect.rule)) {
      at([...path, 'expect', 'rule'], () => fail('there is no rule of this name'), undefined);
    }
    return each;
  });
  if (problems.length > 0) throw new PosternError('POSTERN_INVALID', problems.slice(0, 20).join('\n'));
  return { name: manifest.metadata.name, rules, cases, directGrants: value.directGrants ?? false };
}

function fail(message: string): never {
  throw new PosternError('POSTERN_INVALID', message);
}

function checkDuration(duration: string, max: number): number {
  const seconds = durationSeconds(duration);
  if (seconds === null) fail(`"${duration}" is not a duration: write 90s, 15m, 2h, 7d`);
  if (seconds < 1 || seconds > max) fail(`"${duration}" is longer than ${max} seconds, or nothing`);
  return seconds;
}

function checkMoment(moment: string | undefined): void {
  if (moment !== undefined && Number.isNaN(Date.parse(moment))) fail(`"${moment}" is not a time (RFC 3339)`);
}

function readSpans(hours: readonly string[]): Hours[] {
  return hours.map((span) => {
    const read = readHours(span);
    return typeof read === 'string' ? fail(read) : read;
  });
}

function readWhen(when: Static<typeof WhenShape>): When {
  const { hours = [], sources = [] } = when;
  const checked = checkConditions({ hours: readSpans(hours), sources });
  return {
    hours: checked.hours ?? [],
    sources: checked.sources ?? [],
    ticket: when.ticket ?? null,
    justification: when.justification ?? false,
    sameEnvironment: when.sameEnvironment ?? false,
  };
}

function readConditions(grant: Static<typeof ConditionsShape>): GrantConditions {
  const { statementTimeout, idleTimeout, hours, ...same } = grant;
  return checkConditions({
    ...(same as GrantConditions),
    ...(hours !== undefined && { hours: readSpans(hours) }),
    ...(statementTimeout !== undefined && {
      statementTimeoutMs: checkDuration(statementTimeout, DAY_SECONDS) * 1000,
    }),
    ...(idleTimeout !== undefined && { idleTimeoutMs: checkDuration(idleTimeout, DAY_SECONDS) * 1000 }),
  });
}

/** `owner`, `backup-owner`, `resource-owner`, `role:approver`, `group:dba`, `person:anna@bank.example`. */
function readApprover(words: string): Approver {
  if (words === 'owner' || words === 'backup-owner' || words === 'resource-owner') return { kind: words };
  const [, kind, name = ''] = /^(role|group|person):(.{1,254})$/.exec(words) ?? [];
  if (kind === 'group' || kind === 'person') return { kind, name };
  const role = ROLES.find((each) => each === name);
  if (kind === 'role' && role !== undefined) return { kind, role };
  return fail(
    `"${words}" names nobody who approves: write owner, backup-owner, resource-owner, role:${ROLES.join('|')}, group:NAME or person:E-MAIL`,
  );
}

/** An approver as it is written in a policy. */
export function approverWords(approver: Approver): string {
  if (approver.kind === 'role') return `role:${approver.role}`;
  return approver.kind === 'group' || approver.kind === 'person'
    ? `${approver.kind}:${approver.name}`
    : approver.kind;
}
