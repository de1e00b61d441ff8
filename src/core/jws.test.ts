/** Known answers: the examples of RFC 7515 (appendix A) and RFC 8037. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { keyFor, readToken, signatureFits, tokenKeys, type Unverified } from './jws.ts';

const PAYLOAD =
  'eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ';

function parts(text: string): Unverified {
  const token = readToken(text);
  assert.ok(typeof token === 'object', String(token));
  return token;
}

function fits(token: Unverified, jwk: object): boolean {
  const key = keyFor(token, tokenKeys({ keys: [jwk] }));
  return key !== undefined && signatureFits(token, key);
}

describe('signatures of the standards', () => {
  it('RFC 7515, A.2: RS256', () => {
    const token = parts(
      `eyJhbGciOiJSUzI1NiJ9.${PAYLOAD}.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw`,
    );
    const n =
      'ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ';
    assert.ok(fits(token, { kty: 'RSA', n, e: 'AQAB' }));
    assert.equal(token.claims.iss, 'joe');
    assert.ok(!fits({ ...token, signed: Buffer.from(`${token.signed}x`) }, { kty: 'RSA', n, e: 'AQAB' }));
    assert.ok(!fits(token, { kty: 'RSA', n, e: 'AQAB', alg: 'PS256' }));
  });

  it('RFC 7515, A.3: ES256', () => {
    const token = parts(
      `eyJhbGciOiJFUzI1NiJ9.${PAYLOAD}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q`,
    );
    const point = {
      x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
      y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
    };
    assert.ok(fits(token, { kty: 'EC', crv: 'P-256', ...point }));
  });

  it('RFC 7515, A.5: an unsecured token is none', () => {
    assert.equal(readToken(`eyJhbGciOiJub25lIn0.${PAYLOAD}.`), 'the token is malformed');
    assert.match(String(readToken(`eyJhbGciOiJub25lIn0.${PAYLOAD}.AA`)), /in a way that is not taken/);
  });

  it('RFC 8037, A.4: Ed25519', () => {
    const signed = 'eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc';
    const signature =
      'hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg';
    const token: Unverified = {
      ...{ header: {}, alg: 'EdDSA', kid: undefined, typ: null, claims: {} },
      ...{ signed: Buffer.from(signed), signature: Buffer.from(signature, 'base64url') },
    };
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' };
    assert.ok(fits(token, jwk));
    // The text of the example is no JSON, and so no token.
    assert.equal(readToken(`${signed}.${signature}`), 'the token is malformed');
  });
});
