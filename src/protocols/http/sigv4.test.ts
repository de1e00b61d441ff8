import assert from 'node:assert/strict';
import { test } from 'node:test';
import { signature } from './sigv4.ts';

const KEY = {
  accessKey: 'AKIDEXAMPLE',
  secret: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  region: 'us-east-1',
  service: 'service',
};
const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

test('a request to AWS is signed with its method, path, query, host, time and body', () => {
  const at = Date.UTC(2015, 7, 30, 12, 36, 0);
  const request = {
    ...{
      method: 'GET',
      path: '/',
      host: 'example.amazonaws.com',
      contentType: undefined,
      target: undefined,
      payload: EMPTY,
    },
    query: [
      ['Param2', 'value2'],
      ['Param1', 'value1'],
    ] as const,
  };
  const headers = Object.fromEntries(signature(KEY, request, at));
  assert.equal(headers['x-amz-date'], '20150830T123600Z');
  assert.match(
    headers.authorization ?? '',
    /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/20150830\/us-east-1\/service\/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=[0-9a-f]{64}$/,
  );
  const proofs = new Set(
    [
      request,
      { ...request, method: 'POST' },
      { ...request, path: '/a' },
      { ...request, query: [] },
      { ...request, host: 'other.amazonaws.com' },
      { ...request, payload: 'UNSIGNED-PAYLOAD' },
      { ...request, contentType: 'text/plain' },
      { ...request, target: 'DynamoDB_20120810.GetItem' },
    ].map((each) => Object.fromEntries(signature(KEY, each, at)).authorization),
  );
  assert.equal(proofs.size, 8);
  assert.ok(!JSON.stringify(headers).includes(KEY.secret));
});
