import type { Preset } from './preset.ts';

/** Presets of platforms that run jobs. */

const HTTPS = /^https:\/\/./;

export const GITHUB: Preset = {
  name: 'github',
  about: 'GitHub Actions',
  issuer: {
    usual: 'https://token.actions.githubusercontent.com',
    // github.com, an enterprise with its own issuer, or a GitHub Enterprise Server.
    like: /^https:\/\/(token\.actions\.githubusercontent\.com(\/[\w.-]+)?|[\w.-]+(:\d+)?\/_services\/token)$/,
    known: /^https:\/\/(token\.actions\.githubusercontent\.com(\/|$)|[^/]+\/_services\/token$)/,
  },
  claims: [
    {
      flag: 'repository-id',
      claim: 'repository_id',
      about: 'id of the repository',
      required: true,
      form: 'a number',
    },
    {
      flag: 'repository-owner-id',
      claim: 'repository_owner_id',
      about: 'id of its owner',
      required: true,
      tenant: true,
      form: 'a number',
    },
    {
      flag: 'job-workflow-ref',
      claim: 'job_workflow_ref',
      about: 'the workflow that holds the job, OWNER/REPO/PATH@REF',
      form: 'a text',
    },
    { flag: 'job-workflow-sha', claim: 'job_workflow_sha', about: 'its commit', form: 'a SHA-1' },
    { flag: 'environment', claim: 'environment', about: 'deployment environment', form: 'a text' },
    {
      flag: 'ref',
      claim: 'ref',
      about: 'branch or tag',
      form: 'a whole Git ref, such as refs/heads/main',
    },
    {
      flag: 'ref-protected',
      claim: 'ref_protected',
      about: 'whether the ref is protected',
      form: 'true or false',
    },
    { flag: 'event-name', claim: 'event_name', about: 'what triggered the run', form: 'a text' },
    {
      flag: 'runner-environment',
      claim: 'runner_environment',
      about: 'github-hosted or self-hosted',
      form: 'a text',
    },
  ],
  always: {},
  logged: [
    ...['repository', 'ref', 'sha', 'event_name', 'workflow_ref', 'job_workflow_ref', 'environment'],
    ...['run_id', 'run_number', 'run_attempt', 'actor', 'actor_id', 'runner_environment'],
  ],
  reuse: false,
  names: { repository: 'repository_id', repository_owner: 'repository_owner_id', actor: 'actor_id' },
  // What a token is for by itself: whoever gets one could show it here.
  sharedAudiences: /^https:\/\/github\.com\//,
};

export const GITLAB: Preset = {
  name: 'gitlab',
  about: 'GitLab CI/CD',
  issuer: { usual: 'https://gitlab.com', like: HTTPS, known: /^https:\/\/gitlab\.com$/ },
  claims: [
    {
      flag: 'project-id',
      claim: 'project_id',
      about: 'id of the project',
      required: true,
      form: 'a number',
    },
    {
      flag: 'namespace-id',
      claim: 'namespace_id',
      about: 'id of its group or user',
      required: true,
      tenant: true,
      form: 'a number',
    },
    { flag: 'ref', claim: 'ref', about: 'branch or tag, as GitLab writes it: main', form: 'a text' },
    { flag: 'ref-type', claim: 'ref_type', about: 'branch or tag', form: 'a text' },
    {
      flag: 'ref-protected',
      claim: 'ref_protected',
      about: 'whether the ref is protected',
      form: 'true or false',
    },
    { flag: 'environment', claim: 'environment', about: 'environment of the job', form: 'a text' },
    {
      flag: 'environment-protected',
      claim: 'environment_protected',
      about: 'whether the environment is protected',
      form: 'true or false',
    },
    {
      flag: 'ci-config-ref-uri',
      claim: 'ci_config_ref_uri',
      about: 'the top-level pipeline definition',
      form: 'a text',
    },
    { flag: 'ci-config-sha', claim: 'ci_config_sha', about: 'its commit', form: 'a SHA-1' },
    {
      flag: 'pipeline-source',
      claim: 'pipeline_source',
      about: 'what triggered the pipeline',
      form: 'a text',
    },
    {
      flag: 'runner-environment',
      claim: 'runner_environment',
      about: 'gitlab-hosted or self-hosted',
      form: 'a text',
    },
  ],
  always: {},
  logged: [
    ...['project_path', 'ref', 'sha', 'pipeline_id', 'pipeline_source', 'job_id', 'user_id', 'user_login'],
    ...['runner_id', 'environment', 'ci_config_ref_uri', 'ci_config_sha'],
  ],
  reuse: false,
  names: { project_path: 'project_id', namespace_path: 'namespace_id', user_login: 'user_id' },
  sharedAudiences: null,
};

export const BUILDKITE: Preset = {
  name: 'buildkite',
  about: 'Buildkite',
  issuer: {
    usual: 'https://agent.buildkite.com',
    like: /^https:\/\/agent\.buildkite\.com$/,
    known: /^https:\/\/agent\.buildkite\.com$/,
  },
  claims: [
    {
      flag: 'organization-id',
      claim: 'organization_id',
      about: 'id of the organization (the agent must ask for the claim)',
      required: true,
      tenant: true,
      form: 'a UUID',
    },
    {
      flag: 'pipeline-id',
      claim: 'pipeline_id',
      about: 'id of the pipeline (the agent must ask for the claim)',
      required: true,
      form: 'a UUID',
    },
    { flag: 'build-branch', claim: 'build_branch', about: 'branch of the build', form: 'a text' },
    { flag: 'step-key', claim: 'step_key', about: 'key of the step', form: 'a text' },
  ],
  always: {},
  logged: [
    ...['organization_slug', 'pipeline_slug', 'build_number', 'build_branch', 'build_commit', 'step_key'],
    ...['job_id', 'agent_id'],
  ],
  reuse: false,
  names: { organization_slug: 'organization_id', pipeline_slug: 'pipeline_id' },
  sharedAudiences: /^https:\/\/buildkite\.com\//,
};

export const CIRCLECI: Preset = {
  name: 'circleci',
  about: 'CircleCI',
  issuer: {
    usual: 'https://oidc.circleci.com/org/{oidc.circleci.com/org-id}',
    like: /^https:\/\/oidc\.circleci\.com\/org\/[0-9a-f-]{36}$/,
    known: /^https:\/\/oidc\.circleci\.com\//,
  },
  claims: [
    {
      flag: 'organization-id',
      claim: 'oidc.circleci.com/org-id',
      about: 'id of the organization',
      required: true,
      tenant: true,
      form: 'a UUID',
    },
    {
      flag: 'project-id',
      claim: 'oidc.circleci.com/project-id',
      about: 'id of the project',
      required: true,
      form: 'a UUID',
    },
    {
      flag: 'context-id',
      claim: 'oidc.circleci.com/context-ids',
      about: 'id of a context that the job uses',
      list: true,
      form: 'a UUID',
    },
    {
      flag: 'vcs-ref',
      claim: 'oidc.circleci.com/vcs-ref',
      about: 'branch or tag',
      form: 'a whole Git ref, such as refs/heads/main',
    },
    {
      flag: 'pipeline-definition-id',
      claim: 'oidc.circleci.com/pipeline-definition-id',
      about: 'id of the pipeline definition',
      form: 'a UUID',
    },
  ],
  // Whoever re-runs a job with SSH has a shell in it, with its token.
  always: { 'oidc.circleci.com/ssh-rerun': 'false' },
  logged: [
    ...['oidc.circleci.com/vcs-origin', 'oidc.circleci.com/vcs-ref', 'oidc.circleci.com/job-id'],
    ...['oidc.circleci.com/workflow-id', 'oidc.circleci.com/pipeline-id', 'oidc.circleci.com/context-ids'],
  ],
  reuse: false,
  names: {},
  // The one that every token of the organization has unless another is asked for.
  sharedAudiences: /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/,
};
