import assert from 'node:assert/strict';
import { createServer, type Server, type Socket } from 'node:net';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import type { ResourceView } from '../../core/views.ts';
import { statementsIn } from './own-traces.ts';
import { sessionRole, writeMark } from './role-names.ts';
import { StatementCounter } from './statement-count.ts';
import { survey } from './survey.ts';
import { accountOf, callsOf, connectionOf, countOf, extensionOf, sessionOf, timeOf } from './survey-rows.ts';

const cell = fc.oneof(fc.constant(null), fc.string({ unit: 'binary', maxLength: 300 }), fc.json());

describe('what a server says of itself', () => {
  test('is cut and shown as one line, whatever it is', () => {
    fc.assert(
      fc.property(fc.array(cell, { maxLength: 14 }), (row) => {
        for (const seen of [accountOf(row, 'here'), connectionOf(row), callsOf(row)]) {
          const text = JSON.stringify(seen);
          assert.ok(text.length < 20_000);
          assert.doesNotMatch(text, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
        }
        const { memberOf } = accountOf(row, 'here');
        assert.ok(memberOf.length <= 20);
        extensionOf(row);
      }),
    );
  });

  test('is a number or a time only where it can be one', () => {
    for (const odd of ['-1', 'NaN', '1e400', '9007199254740993', '', ' ', 'x', null])
      assert.equal(countOf(odd), 0);
    assert.equal(countOf('42'), 42);
    for (const odd of ['infinity', '2026-13-01T00:00:00.000000Z', '2026-01-01', null]) {
      assert.equal(timeOf(odd), null);
    }
    assert.equal(timeOf('2026-01-01T00:00:00.000000Z'), '2026-01-01T00:00:00.000000Z');
    assert.throws(() => sessionOf(['1', '18', 'me', 'now', 't', 't']), /no answer that makes sense/);
  });

  test('marks a role as that of a session only with the mark of this installation, on the role that it was made for', () => {
    const session = '01a201bd-0000-7000-8000-0123456789ab';
    const role = sessionRole('batch', session);
    const mark = writeMark({
      ...{ kind: 'session', installation: 'here', worker: 0, boot: 'x', session, database: 'bank' },
    });
    const seen = (name: string, comment: string | null, installation: string) =>
      accountOf([name, ...Array(10).fill(null), comment], installation).mark;
    assert.deepEqual(seen(role, mark, 'here'), { session });
    assert.equal(seen(role, mark, 'elsewhere'), 'other');
    assert.equal(seen('somebody', mark, 'here'), null);
    assert.equal(seen(role, 'postern: nonsense', 'here'), null);
  });
});

describe('a server that does not answer', () => {
  const servers: Server[] = [];
  const sockets: Socket[] = [];
  after(() => {
    for (const socket of sockets) socket.destroy();
    for (const server of servers) server.close();
  });
  const listening = async (act: (socket: Socket) => void): Promise<ResourceView> => {
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => socket.destroy());
      act(socket);
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    return {
      ...{ id: 'r', name: 'slow', protocol: 'postgres', host: '127.0.0.1', port, database: 'x' },
      tls: { mode: 'disable', ca: null, serverName: null, negotiation: 'postgres' },
      ...{ durability: 'process', catalogAccess: 'tools', resultDigest: false, status: 'active' },
      upstream: { user: 'me', password: 'secret-Zq7' },
      admin: null,
    } as ResourceView;
  };

  test('is an outcome, with a reason and without the password', async () => {
    const silent = await listening(() => undefined);
    const rude = await listening((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    for (const resource of [silent, rude]) {
      const answer = await survey(resource, 'here', 200);
      assert.equal(answer.outcome, 'failed');
      assert.doesNotMatch(JSON.stringify(answer), /secret-Zq7/);
    }
  });
});

test('statements are counted as the parser sees them, and own ones at most', async () => {
  const counter = new StatementCounter();
  assert.equal(await counter.count("select ';;;'; select 2; -- ;\n"), 2);
  assert.equal(await counter.count('select'), 1);
  assert.equal(await counter.count('selec'), null);
  assert.equal(await counter.count(`select ${'('.repeat(60_000)}`), null);
  assert.equal(await counter.count('x'.repeat(70_000)), null);
  assert.equal(await counter.count('select 1'), 1);
  assert.equal(statementsIn('a; b ;'), 2);
});
