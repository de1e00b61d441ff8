/** A client of the token endpoint of a real Postern, as a shell with curl is one. */
import { request } from 'node:https';
import type { TestPostern } from './postern.ts';

export interface Exchanged {
  readonly access_token: string;
  readonly token_type: string;
  readonly expires_in: number;
  readonly username: string;
  readonly credential: string;
}

export const TYPES = {
  password: 'urn:postern:token-type:scram-password',
  certificate: 'urn:postern:token-type:x509-certificate',
  ssh: 'urn:postern:token-type:ssh-certificate',
  bearer: 'urn:ietf:params:oauth:token-type:access_token',
  jwt: 'urn:ietf:params:oauth:token-type:jwt',
} as const;

/** @throws Error with what the endpoint says when it refuses */
export function exchange(
  postern: TestPostern,
  parameters: Readonly<Record<string, string>>,
): Promise<Exchanged> {
  const body = new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token_type: TYPES.jwt,
    requested_token_type: TYPES.password,
    ...parameters,
  }).toString();
  return new Promise((resolve, reject) => {
    const options = { ...postern.api, path: '/v1/token', method: 'POST', ca: postern.caPem, agent: false };
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const sent = request({ ...options, headers }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (part: string) => {
        text += part;
      });
      answer.on('end', () => {
        if (answer.statusCode === 200) resolve(JSON.parse(text) as Exchanged);
        else reject(new Error(`${answer.statusCode}: ${text}`));
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
