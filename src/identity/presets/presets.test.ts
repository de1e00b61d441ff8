import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkOidc } from '../oidc-binding.ts';
import { lintBinding } from './lint.ts';
import { applyPreset, loggedBy, PRESETS, presetNamed, presetOfIssuer } from './presets.ts';

const AUDIENCE = 'https://postern.bank.example';
const UUID = '1111111a-2222-4333-8444-555555555555';

/** Values that a preset takes, for what it requires. */
const GOOD: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  github: { 'repository-id': '74', 'repository-owner-id': '65', environment: 'production' },
  gitlab: { 'project-id': '22', 'namespace-id': '72', ref: 'main', 'ref-protected': 'true' },
  buildkite: { 'organization-id': UUID, 'pipeline-id': UUID, 'step-key': 'deploy' },
  circleci: { 'organization-id': UUID, 'project-id': UUID, 'context-id': UUID },
  kubernetes: { namespace: 'ledger', 'service-account': 'nightly', 'service-account-uid': UUID },
  'aws-web-identity': { account: '123456789012', 'role-arn': 'arn:aws:iam::123456789012:role/Nightly' },
  gcp: { 'service-account-id': '112010400000000710080' },
  azure: { 'tenant-id': UUID, 'object-id': UUID },
};
const ISSUERS: Readonly<Record<string, string>> = {
  kubernetes: 'https://oidc.eks.eu-central-1.amazonaws.com/id/ABC',
  'aws-web-identity': 'https://abc123-def456.tokens.sts.global.api.aws',
};

function bound(name: string, over: Readonly<Record<string, string | undefined>> = {}) {
  const preset = presetNamed(name);
  assert.ok(preset);
  return {
    kind: 'oidc' as const,
    preset: name,
    audience: AUDIENCE,
    ...applyPreset(preset, { ...GOOD[name], ...over }, ISSUERS[name]),
  };
}

describe('presets', () => {
  it('make bindings that pass, with every claim that they require', () => {
    assert.deepEqual(PRESETS.map(({ name }) => name).sort(), Object.keys(GOOD).sort());
    for (const preset of PRESETS) {
      const details = checkOidc(bound(preset.name));
      assert.deepEqual(lintBinding(details), [], preset.name);
      assert.equal(details.reuse ?? false, preset.reuse, preset.name);
      for (const { claim, required, list } of preset.claims)
        if (required) assert.ok((list ? details.contains : details.claims)?.[claim], claim);
      assert.ok(loggedBy(preset.name).length > 0);
    }
  });

  it('refuse a binding without any one of the claims that they require, by flag and by API', () => {
    for (const preset of PRESETS) {
      for (const { flag, claim, required } of preset.claims) {
        if (!required) continue;
        assert.throws(() => bound(preset.name, { [flag]: undefined }), { code: 'POSTERN_INVALID' }, flag);
        const input = bound(preset.name);
        const { [claim]: _, ...claims } = input.claims;
        assert.throws(() => checkOidc({ ...input, claims }), { code: 'POSTERN_INVALID' }, claim);
        // Without naming the preset it is no better, where the issuer tells the platform.
        if (presetOfIssuer(input.issuer) !== undefined && Object.keys(claims).length > 0)
          assert.throws(() => checkOidc({ ...input, claims, preset: undefined }), /missing/, claim);
      }
    }
  });

  it('refuse issuers of somebody else', () => {
    for (const [name, issuer] of [
      ['github', 'https://token.actions.githubusercontent.com.evil.example'],
      ['github', 'https://evil.example/token.actions.githubusercontent.com'],
      ['github', 'https://evil.example?/_services/token'],
      ['buildkite', 'https://agent.buildkite.com/'],
      ['circleci', 'https://oidc.circleci.com/org/other'],
      ['circleci', `https://oidc.circleci.com/org/${UUID.replace('1', '2')}`],
      ['aws-web-identity', 'https://a.b.tokens.sts.global.api.aws'],
      ['aws-web-identity', 'https://abc.tokens.sts.global.api.aws.evil.example'],
      ['gcp', 'https://accounts.google.com.evil.example'],
      ['azure', 'https://sts.windows.net/common/'],
      ['azure', `https://sts.windows.net/${UUID.replace('1', '2')}/`],
    ] as const) {
      assert.throws(() => checkOidc({ ...bound(name), issuer }), { code: 'POSTERN_INVALID' }, issuer);
    }
    const v2 = `https://login.microsoftonline.com/${UUID}/v2.0`;
    assert.equal(checkOidc({ ...bound('azure'), issuer: v2 }).issuer, v2);
    const own = 'https://ghes.bank.example/_services/token';
    assert.equal(checkOidc({ ...bound('github'), issuer: own }).issuer, own);
  });

  it('refuse claims that they do not know, and values of another form', () => {
    for (const [name, flag, value] of [
      ['github', 'repository-id', 'bank/ledger'],
      ['github', 'ref', 'main'],
      ['github', 'ref', 'refs/heads/*'],
      ['gitlab', 'ref-protected', 'yes'],
      ['circleci', 'project-id', UUID.toUpperCase()],
      ['aws-web-identity', 'account', '123'],
      ['gcp', 'service-account-id', 'nightly@bank.iam.gserviceaccount.com'],
    ] as const)
      assert.throws(() => bound(name, { [flag]: value }), { code: 'POSTERN_INVALID' }, value);
    const github = bound('github');
    for (const claims of [{ sub: 'repo:bank/ledger' }, { actor: 'ada' }])
      assert.throws(() => checkOidc({ ...github, claims: { ...github.claims, ...claims } }), /does not know/);
    assert.throws(() => checkOidc({ ...github, contains: { repository_id: '74' } }), /does not know/);
  });

  it('never take a CircleCI job that was run again with SSH', () => {
    const circleci = bound('circleci');
    assert.equal(circleci.claims['oidc.circleci.com/ssh-rerun'], 'false');
    const claims = { ...circleci.claims, 'oidc.circleci.com/ssh-rerun': 'true' };
    assert.throws(() => checkOidc({ ...circleci, claims }), /ssh-rerun=false/);
    assert.throws(() => checkOidc({ ...circleci, preset: undefined, claims }), /ssh-rerun=false/);
  });
});

describe('the linter', () => {
  const generic = { audience: AUDIENCE, issuer: 'https://issuer.bank.example', claims: { sub: 'job-1' } };
  const codes = (binding: Parameters<typeof lintBinding>[0]): string[] =>
    lintBinding(binding).map(({ code, severity }) => `${severity} ${code}`);

  it('says nothing of exact claims of an own issuer', () => {
    assert.deepEqual(codes(generic), []);
  });

  it('finds what is wider than it looks, and what can go to somebody else', () => {
    const github = { ...bound('github'), issuer: 'https://token.actions.githubusercontent.com' };
    const [, gitlab] = [github, bound('gitlab')];
    const ids = { repository_id: '74', repository_owner_id: '65' };
    for (const [binding, expected] of [
      [{ ...generic, claims: { sub: 'repo:bank/*' } }, ['error wildcard']],
      [{ ...generic, contains: { groups: '*' } }, ['error wildcard']],
      [{ ...generic, audience: '*' }, ['error wildcard']],
      [{ ...generic, reuse: true as const }, ['warning token-reuse']],
      [{ ...generic, claims: { sub: 'repo:bank/ledger:pull_request' } }, ['error untrusted-event']],
      [{ ...github, audience: 'https://github.com/bank' }, ['error shared-audience']],
      [{ ...github, claims: ids }, ['warning any-branch']],
      [{ ...github, claims: { ...ids, ref: 'refs/heads/main' } }, ['warning mutable-ref']],
      [
        { ...github, claims: { ...ids, ref: 'refs/pull/7/merge' } },
        ['error untrusted-event', 'warning mutable-ref'],
      ],
      [
        { ...github, claims: { ...ids, event_name: 'pull_request_target', environment: 'x' } },
        ['error untrusted-event'],
      ],
      [
        { ...github, claims: { ...ids, environment: 'x', repository: 'bank/ledger' } },
        ['warning name-bound'],
      ],
      [
        { ...github, preset: undefined, claims: { repository: 'bank/ledger', environment: 'x' } },
        ['error missing-id', 'error missing-tenant', 'error name-bound'],
      ],
      [
        {
          ...github,
          preset: undefined,
          claims: { ...ids, environment: 'x', sub: 'repo:bank/ledger:ref:refs/heads/main' },
        },
        ['error subject-bound'],
      ],
      [
        { ...gitlab, claims: { ...gitlab.claims, pipeline_source: 'merge_request_event' } },
        ['error untrusted-event'],
      ],
      [
        { ...gitlab, claims: { project_id: '22', namespace_id: '72', ref: 'main', ref_protected: 'false' } },
        ['warning mutable-ref'],
      ],
      [
        { ...bound('buildkite'), preset: undefined, claims: { pipeline_slug: 'deploy', step_key: 'x' } },
        ['error missing-tenant', 'error missing-id', 'error name-bound'],
      ],
      [{ ...bound('circleci'), audience: UUID }, ['warning shared-audience']],
      [{ ...bound('kubernetes'), audience: 'https://kubernetes.default.svc' }, ['error shared-audience']],
      [
        { ...bound('gcp'), preset: undefined, claims: { email: 'nightly@bank.example' } },
        ['error missing-tenant', 'error name-bound'],
      ],
      [{ ...bound('azure'), preset: undefined, claims: { oid: UUID } }, ['error missing-tenant']],
    ] as const)
      assert.deepEqual(
        codes(binding as Parameters<typeof lintBinding>[0]),
        expected,
        JSON.stringify(binding.claims),
      );
  });

  it('says why and what to do, in every finding', () => {
    const found = lintBinding({
      ...generic,
      issuer: 'https://token.actions.githubusercontent.com',
      claims: { sub: '*' },
    });
    assert.ok(found.length >= 4);
    for (const { message, fix } of found) assert.ok(message.endsWith('.') && fix.length > 10);
  });
});

describe('a binding to any issuer', () => {
  const input = { kind: 'oidc', issuer: 'https://issuer.bank.example', audience: AUDIENCE } as const;
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' };

  it('keeps what is public of keys that are given', () => {
    const keys = { jwks: JSON.stringify({ keys: [{ ...jwk, d: 'secret', kid: 'a' }] }) };
    const made = checkOidc({ ...input, claims: { sub: 'x' }, keys });
    assert.deepEqual(made.keys, { jwks: { keys: [{ kty: 'OKP', kid: 'a', crv: 'Ed25519', x: jwk.x }] } });
  });

  it('is refused with what could mean something else', () => {
    const claims = { sub: 'x' };
    for (const bad of [
      { claims: {} },
      { claims: { exp: '1' } },
      { claims: { '/sub': 'x' } },
      { claims: { '/a/~2': 'x' } },
      { claims: { '/a//b': 'x' } },
      { claims: {}, contains: { groups: 'x' } },
      { preset: 'toString', claims },
      { claims, keys: { jwks: '{"keys":1}' } },
      { claims, keys: { jwks: '{"keys":[],"keys":[]}' } },
      { claims, keys: { jwks: '{"keys":[]}', server: 'https://other.example' } },
      { claims, keys: { ca: 'no PEM' } },
      { claims, keys: { server: 'http://other.example' } },
    ])
      assert.throws(() => checkOidc({ ...input, ...bad }), { code: 'POSTERN_INVALID' }, JSON.stringify(bad));
  });
});
