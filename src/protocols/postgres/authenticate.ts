import { MAX_TOKEN_BYTES } from '../../core/jws.ts';
import type { TokenProof } from '../../core/record.ts';
import type { CredentialView, PrincipalView } from '../../core/views.ts';
import { provenByCertificate } from '../client-certificate.ts';
import type { Gateway } from '../contract.ts';
import { Refused } from '../door.ts';
import { hasBinding, provenByText } from '../proven-by-text.ts';
import { ScramServer } from './auth.ts';
import type { Entrance } from './entrance.ts';
import { Back, cstringEnd, FrameReader, Front, int32, message, strictUtf8, WireError } from './wire.ts';

/** A principal that proved itself. */
export interface Authenticated {
  readonly principal: PrincipalView;
  readonly credential: CredentialView;
  /** What is still owed to the client of the exchange, before AuthenticationOk. */
  readonly final: Buffer;
  /** Of the token, where one was shown. */
  readonly proof?: TokenProof;
}

export const AUTHENTICATION_OK = message(Back.authentication, int32(0));

/** A client that does not mean to prove itself so should not show a certificate. */
const CERTIFICATE_HINT =
  'Clients built on libpq show ~/.postgresql/postgresql.crt by themselves: set sslcertmode=disable to use a password.';

const MAX_PASSWORD_MESSAGE = 4096;

const AUTHENTICATION_CLEARTEXT_PASSWORD = message(Back.authentication, int32(3));

const tokenRules = {
  ...{ streams: (): boolean => false, skips: (): boolean => false },
  limit: (type: number): number => (type === Front.password ? MAX_TOKEN_BYTES + 6 : 0),
};

/** The text of a PasswordMessage. */
function passwordIn({ buffer, start, end }: FrameReader): string {
  if (cstringEnd(buffer, start + 5, end) !== end - 1) throw new WireError('a malformed password message');
  return strictUtf8(buffer.subarray(start + 5, end - 1));
}

const passwordRules = {
  limit: (type: number): number => (type === Front.password ? MAX_PASSWORD_MESSAGE : 0),
  streams: (): boolean => false,
  skips: (): boolean => false,
};

/**
 * Lets the client prove that it is `name`: with the certificate that it showed within TLS; where the principal is bound to an
 * issuer, with a token, or an issued password, as it is, within TLS; else with an issued password by SCRAM.
 *
 * @throws Refused, WireError or Gone
 * @see https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-FLOW-START-UP
 */
export async function authenticate(
  gateway: Gateway,
  entrance: Entrance,
  name: string,
): Promise<Authenticated> {
  const shown = entrance.certificate;
  if (shown !== undefined)
    return {
      ...provenByCertificate(gateway, shown, name, Date.now(), CERTIFICATE_HINT),
      final: Buffer.alloc(0),
    };
  const { socket } = entrance;
  if (entrance.tls !== null && hasBinding(gateway, name)) {
    const asked = new FrameReader(tokenRules);
    socket.write(AUTHENTICATION_CLEARTEXT_PASSWORD);
    await entrance.next(asked);
    const secret = passwordIn(asked);
    entrance.putBack(asked.rest());
    return { ...(await provenByText(gateway, name, secret, Date.now())), final: Buffer.alloc(0) };
  }
  const scram = new ScramServer(gateway.directory, gateway.scramSecret, name, entrance.endPoint);
  const reader = new FrameReader(passwordRules);
  socket.write(scram.offer());
  await entrance.next(reader);
  socket.write(scram.first(reader.buffer, reader.start, reader.end));
  await entrance.next(reader);
  const result = scram.last(reader.buffer, reader.start, reader.end, Date.now());
  entrance.putBack(reader.rest());
  if (!result.ok) throw new Refused(result.code, result.message, result.principal);
  return result;
}
