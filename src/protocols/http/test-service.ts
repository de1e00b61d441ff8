import { request } from 'undici';
import type { ResourceView } from '../../core/views.ts';
import type { TestStep } from '../contract.ts';
import { credentialHeaders, originOf, Upstreams } from './upstream.ts';

/** Asks a service for its base path, with the credential, and says how far that got. */
export async function testService(resource: ResourceView, timeoutMs: number): Promise<readonly TestStep[]> {
  const began = performance.now();
  const step = (name: string, ok: boolean, detail: string): TestStep => ({
    ...{ step: name, ok, detail },
    ms: Math.round((performance.now() - began) * 10) / 10,
  });
  const pool = new Upstreams(timeoutMs).pool(resource);
  try {
    const path = `${resource.http?.basePath ?? ''}/`;
    const signed = { method: 'GET', path, search: '', contentType: undefined, payload: EMPTY_SHA256 };
    const { statusCode, body } = await request(`${originOf(resource)}${path}`, {
      dispatcher: pool,
      headers: credentialHeaders(resource, signed).flat(),
      signal: AbortSignal.timeout(timeoutMs),
    });
    await body.dump({ limit: 65_536 });
    const refused = statusCode === 401 || statusCode === 403 || statusCode === 407;
    return [
      step('connect', true, `${originOf(resource)}`),
      step(
        'request',
        !refused,
        refused ? `the service refuses the credential: ${statusCode}` : `GET ${path} ${statusCode}`,
      ),
    ];
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    return [step('failed', false, code ?? message)];
  } finally {
    await pool.destroy();
  }
}

const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
