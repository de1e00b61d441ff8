import type { Preset } from './preset.ts';

/** Presets of clusters and clouds. */

const STS = '/https:~1~1sts.amazonaws.com~1';

export const KUBERNETES: Preset = {
  name: 'kubernetes',
  about: 'Kubernetes, projected service account token',
  issuer: { usual: null, like: /^https:\/\/./, known: null },
  claims: [
    {
      flag: 'namespace',
      claim: '/kubernetes.io/namespace',
      about: 'namespace of the service account',
      required: true,
      form: 'a text',
    },
    {
      flag: 'service-account',
      claim: '/kubernetes.io/serviceaccount/name',
      about: 'its name',
      required: true,
      form: 'a text',
    },
    {
      flag: 'service-account-uid',
      claim: '/kubernetes.io/serviceaccount/uid',
      about: 'its uid: a name can be given again',
      required: true,
      form: 'a UUID',
    },
  ],
  always: {},
  logged: [
    ...['/kubernetes.io/pod/name', '/kubernetes.io/pod/uid', '/kubernetes.io/node/name'],
    '/kubernetes.io/node/uid',
  ],
  // The kubelet puts a token in a file, for all who read it, and a new one only when most of its time is over.
  reuse: true,
  names: { sub: '/kubernetes.io/serviceaccount/uid' },
  sharedAudiences: /^(https:\/\/)?kubernetes(\.default(\.svc(\.cluster\.local)?)?)?$/,
};

export const AWS_WEB_IDENTITY: Preset = {
  name: 'aws-web-identity',
  about: 'AWS, token of STS GetWebIdentityToken',
  issuer: {
    usual: null,
    like: /^https:\/\/[\w-]+\.tokens\.sts\.global\.api\.aws$/,
    known: /^https:\/\/[^/]+\.tokens\.sts\.global\.api\.aws$/,
  },
  claims: [
    {
      flag: 'account',
      claim: `${STS}/aws_account`,
      about: 'the AWS account',
      required: true,
      tenant: true,
      form: 'a 12-digit account',
    },
    { flag: 'role-arn', claim: 'sub', about: 'ARN of the role', required: true, form: 'an ARN' },
    {
      flag: 'organization-id',
      claim: `${STS}/org_id`,
      about: 'the AWS organization, o-...',
      form: 'a text',
    },
    {
      flag: 'lambda-function-arn',
      claim: `${STS}/lambda_source_function_arn`,
      about: 'the function that runs',
      form: 'an ARN',
    },
  ],
  always: {},
  logged: [
    ...[`${STS}/source_region`, `${STS}/principal_id`, `${STS}/org_id`],
    `${STS}/lambda_source_function_arn`,
  ],
  reuse: false,
  names: {},
  sharedAudiences: /^(https:\/\/)?sts\.amazonaws\.com$/,
};

export const GCP: Preset = {
  name: 'gcp',
  about: 'Google Cloud, identity token of the metadata server',
  issuer: {
    usual: 'https://accounts.google.com',
    like: /^https:\/\/accounts\.google\.com$/,
    known: /^https:\/\/accounts\.google\.com$/,
  },
  claims: [
    {
      flag: 'service-account-id',
      claim: 'sub',
      about: 'unique id of the service account',
      required: true,
      tenant: true,
      form: 'a number',
    },
    {
      flag: 'project-number',
      claim: '/google/compute_engine/project_number',
      about: 'number of the project (format=full)',
      form: 'a number',
    },
    {
      flag: 'instance-id',
      claim: '/google/compute_engine/instance_id',
      about: 'id of the instance (format=full)',
      form: 'a number',
    },
    { flag: 'zone', claim: '/google/compute_engine/zone', about: 'zone (format=full)', form: 'a text' },
  ],
  always: {},
  logged: [
    ...['email', '/google/compute_engine/project_id', '/google/compute_engine/instance_id'],
    ...['/google/compute_engine/instance_name', '/google/compute_engine/zone'],
  ],
  // The metadata server gives the same token again for most of its hour.
  reuse: true,
  names: { email: 'sub', '/google/compute_engine/project_id': '/google/compute_engine/project_number' },
  sharedAudiences: /^(https:\/\/iam\.googleapis\.com\/|\d+-\w+\.apps\.googleusercontent\.com$|32555940559\.)/,
};

export const AZURE: Preset = {
  name: 'azure',
  about: 'Azure, token of a managed identity',
  issuer: {
    usual: 'https://sts.windows.net/{tid}/',
    // Tokens of version 1 (usual for managed identities) and 2.
    like: /^https:\/\/(sts\.windows\.net\/[0-9a-f-]{36}\/|login\.microsoftonline\.com\/[0-9a-f-]{36}\/v2\.0)$/,
    known: /^https:\/\/(sts\.windows\.net|login\.microsoftonline\.com|login\.windows\.net)\//,
  },
  claims: [
    { flag: 'tenant-id', claim: 'tid', about: 'the tenant', required: true, tenant: true, form: 'a UUID' },
    {
      flag: 'object-id',
      claim: 'oid',
      about: 'object id of the managed identity',
      required: true,
      form: 'a UUID',
    },
    { flag: 'app-id', claim: 'appid', about: 'its client id (tokens of version 1)', form: 'a UUID' },
    { flag: 'azp', claim: 'azp', about: 'its client id (tokens of version 2)', form: 'a UUID' },
    { flag: 'resource-id', claim: 'xms_mirid', about: 'the resource that it belongs to', form: 'a text' },
  ],
  always: {},
  logged: ['appid', 'azp', 'xms_mirid', 'uti'],
  // Azure gives the same token again for most of its day.
  reuse: true,
  names: { unique_name: 'oid', upn: 'oid', email: 'oid' },
  sharedAudiences:
    /^(api:\/\/AzureADTokenExchange|https:\/\/(management\.(core\.windows\.net|azure\.com)|graph\.microsoft\.com|vault\.azure\.net)\/?)$/,
};
