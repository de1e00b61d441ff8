/** Values of masked members reach no client of a service, whatever it answers and however it is asked. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type Credential, Service } from './support/service.ts';

const CARD = '4111111111111111';
const CUSTOMER = {
  id: 42,
  card_number: CARD,
  contact: { email: 'ada@bank.example' },
  note: `pays with ${CARD}`,
};

describe('masks on what a service answers', () => {
  let service: Service;
  let reporter: Credential;

  before(async () => {
    service = await Service.start();
    await service.grant('* on /**');
    for (const rule of [
      { name: 'cards', names: ['card_number'], transform: { kind: 'partial', keep: 4 } },
      { name: 'people', names: ['email'], transform: { kind: 'redact' } },
      { name: 'card-content', detectors: ['card'], transform: { kind: 'redact' } },
    ])
      await service.postern.call('POST', '/v1/masks', { resource: 'accounts', ...rule });
    reporter = await service.credential();
  });
  after(() => service.stop());
  beforeEach(() => {
    service.handler = null;
    service.seen.length = 0;
  });

  const hidden = (text: string): void => {
    assert.ok(!text.includes(CARD), text);
    assert.ok(!text.includes('ada@bank.example'), text);
  };

  it('a document has its masked members masked and all else as it was; the record says what and how often', async () => {
    service.handler = (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', etag: '"1"', 'x-card-number': CARD });
      response.end(JSON.stringify([CUSTOMER, CUSTOMER]));
    };
    const { status, text, headers } = await service.ask(reporter, '/accounts/v1/customers');
    assert.equal(status, 200);
    hidden(text + JSON.stringify(headers));
    const shown = JSON.parse(text);
    assert.equal(shown.length, 2);
    assert.equal(shown[0].id, 42);
    assert.match(shown[0].card_number, /^\*{4}/);
    assert.equal(headers.etag, undefined);
    const row = (await service.commands()).find(({ objects }) => objects[0] === '/v1/customers');
    const { outcome } = await service.record(row?.id ?? '');
    const masked = outcome?.masked as { column: string; rows: number }[];
    assert.ok(
      masked.some(({ column, rows }) => column.includes('card_number') && rows >= 2),
      JSON.stringify(masked),
    );
    hidden(JSON.stringify(outcome));
  });

  it('it does not help to ask for it packed, in part, or as compared with what one guesses', async () => {
    const asked: (string | undefined)[] = [];
    service.handler = (request, response) => {
      asked.push(
        `${request.headers['accept-encoding']} ${request.headers.range} ${request.headers['if-none-match']}`,
      );
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
      response.end(gzipSync(JSON.stringify(CUSTOMER)));
    };
    const { status, text } = await service.ask(reporter, '/accounts/v1/c', {
      headers: { 'accept-encoding': 'br', range: 'bytes=20-40', 'if-none-match': '"x"' },
    });
    assert.equal(status, 200, text);
    hidden(text);
    assert.deepEqual(asked, ['identity undefined undefined']);
  });

  it('what cannot be masked is refused, or broken off where it stops being what it says', async () => {
    for (const [type, body] of [
      ['text/html', `<p>${CARD}</p>`],
      ['application/octet-stream', CARD],
      ['application/json', `{"a": 1} ${CARD}`],
      ['application/json', `{"card_number": '${CARD}'}`],
      ['application/json; charset=utf-16', JSON.stringify(CUSTOMER)],
    ] as const) {
      service.handler = (_request, response) => {
        response.writeHead(200, { 'content-type': type });
        response.end(body);
      };
      const { status, text } = await service
        .ask(reporter, '/accounts/v1/odd')
        .catch((error: Error) => ({ status: 0, text: error.message }));
      assert.ok(status === 403 || status === 0, `${type}: ${status} ${text}`);
      hidden(text);
    }
  });

  it('a stream of events is masked as it comes', async () => {
    service.handler = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`data: ${JSON.stringify(CUSTOMER)}\n\n`);
      setTimeout(() => response.end(`data: ${CARD}\n\n`), 30);
    };
    const { text } = await service.ask(reporter, '/accounts/v1/events');
    assert.equal(text.split('data:').length, 3);
    hidden(text);
  });

  it('what is no document is not begun: a WebSocket and a call of gRPC are refused before the service hears of them', async () => {
    const { status } = await service.ask(reporter, '/accounts/v1/rpc', {
      ...{ method: 'POST', body: 'x', headers: { 'content-type': 'application/grpc' } },
    });
    assert.equal(status, 403);
    assert.deepEqual(service.seen, []);
  });
});
