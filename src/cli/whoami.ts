import type { Command } from 'commander';
import type { Person, PersonSession } from './support/api-types.ts';
import type { ApiClient } from './support/client.ts';
import { connected } from './support/command.ts';
import { print, printJson } from './support/output.ts';
import { signedInBy } from './support/sign-in.ts';
import { formatFields } from './support/table.ts';
import { formatDistance, formatTime } from './support/time.ts';

interface WhoAmI {
  readonly person: Person;
  readonly tokenExpiresAt: string;
  readonly freshUntil: string | null;
  readonly session: PersonSession | null;
}

const until = (time: string): string => `${formatTime(time)} (${formatDistance(time)})`;
const isAhead = (time: string): boolean => Date.parse(time) > Date.now();

export function register(program: Command): void {
  const whoami = program.command('whoami').description('show who the API takes you for, and until when');
  connected(whoami, async ({ api, options }) => {
    if (api.connection.token?.startsWith('ey')) return showPrincipal(api, options.json ?? false);
    const answer = await api.get<WhoAmI>('/v1/whoami');
    if (options.json) return printJson(answer);
    const { person, tokenExpiresAt, session, freshUntil } = answer;
    await print(
      formatFields([
        ['person', `${person.name} <${person.email}>`],
        ['roles', person.roles.join(', ')],
        ['signed in', session === null ? 'API token' : `${signedInBy(session)}, from ${session.source}`],
        [session === null ? 'token ends' : 'session ends', until(tokenExpiresAt)],
        ...(session === null ? [] : [['unused ends', until(session.idleEndsAt)] as const]),
        [
          'sensitive acts',
          freshUntil !== null && isAhead(freshUntil)
            ? `until ${until(freshUntil)}`
            : 'after: postern login --again',
        ],
        ['api', api.connection.api],
      ]),
    );
  });
}

interface Self {
  readonly principal: { readonly name: string; readonly kind: string };
  readonly credential: { readonly id: string; readonly expiresAt: string };
  readonly delegation: readonly { readonly name: string }[];
}

/** A bearer token of Postern's own is a principal's. */
async function showPrincipal(api: ApiClient, json: boolean): Promise<void> {
  const answer = await api.get<Self>('/v1/self');
  if (json) return printJson(answer);
  const { principal, credential, delegation } = answer;
  await print(
    formatFields([
      ['principal', `${principal.name} (${principal.kind})`],
      ['credential', credential.id],
      ['token ends', until(credential.expiresAt)],
      ...(delegation.length === 0
        ? []
        : [['on behalf of', delegation.map(({ name }) => name).join(', ')] as const]),
      ['api', api.connection.api],
    ]),
  );
}
