import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseServiceAuth, parseServiceUrl } from './service-url.ts';

test('the address of a service is a URL without a password', () => {
  assert.deepEqual(parseServiceUrl('https://postern@accounts.bank.example/api/v1/'), {
    ...{ host: 'accounts.bank.example', port: 443, basePath: '/api/v1', user: 'postern', encrypted: true },
  });
  assert.equal(parseServiceUrl('http://[::1]:8080').host, '::1');
  for (const text of ['https://', 'https://a:secret@b', 'https://a/?x=1', 'https://a/#x'])
    assert.throws(
      () => parseServiceUrl(text),
      (error: Error) => !error.message.includes('secret'),
    );
});

test('how Postern proves itself to a service is one of five ways', () => {
  assert.deepEqual(parseServiceAuth('bearer'), { kind: 'bearer' });
  assert.deepEqual(parseServiceAuth('header:x-api-key'), { kind: 'header', name: 'x-api-key' });
  assert.deepEqual(parseServiceAuth('sigv4:eu-central-1/execute-api'), {
    ...{ kind: 'sigv4', region: 'eu-central-1', service: 'execute-api' },
  });
  for (const text of ['', 'none', 'basic:x', 'header', 'header:', 'sigv4:eu', 'sigv4:a/b/c'])
    assert.throws(() => parseServiceAuth(text), text);
});
