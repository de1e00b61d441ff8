import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { makeAuthority, makeCertificate } from '../../core/certificates.fixture.ts';
import { DataKeys } from '../../core/data-keys.ts';
import type { Ref, SinkRecord } from '../../core/record.ts';
import { JournalWriter } from '../../ledger/journal.ts';
import { PublishedLog } from '../../ledger/published-log.ts';
import type { Sink, SinkTarget } from '../../store/entities.ts';
import { LedgerService } from '../ledger-service.ts';
import { problemsOf } from '../ocsf/validate.fixture.ts';
import { Story } from '../story.fixture.ts';
import { Delivery, type SinkState } from './delivery.ts';
import { FileSender } from './file-sender.ts';
import { PositionFile } from './position.ts';
import { type Authority, httpsReceiver, makeServer, syslogReceiver } from './receivers.fixture.ts';
import { senderOf } from './senders.ts';
import { SinkService } from './sink-service.ts';
import { SyslogSender } from './syslog-sender.ts';

const PACE = { look: 10, answer: 400, retryFirst: 10, retryLongest: 50, position: 0 };

describe('sinks', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'postern-sinks-'));
  const keys = DataKeys.of(randomBytes(32));
  const story = new Story();
  let service: LedgerService;
  let writer: JournalWriter;
  let authority: Authority;
  let batch: Ref;
  let session = '';
  let grant = '';
  let count = 0;

  const journal = async (): Promise<number> => {
    for (const { record, payloads } of story.told.splice(0)) writer.append(JSON.stringify(record), payloads);
    writer.flush();
    return (await service.flush()).size;
  };
  const more = (commands: number): Promise<number> => {
    for (let i = 0; i < commands; i++)
      story.run(batch, session, grant, 'select', 'ledger.t', `select 'secret text ${i}'`);
    return journal();
  };
  before(async () => {
    authority = await makeServer();
    writer = JournalWriter.create(join(dataDir, 'journal'), 'worker-0');
    service = await LedgerService.start({ dataDir, keys });
    story.people().resource();
    batch = story.principal('batch');
    grant = story.grant(batch);
    session = story.open(batch, grant, story.credential(batch, grant));
    await more(20);
  });
  after(async () => {
    for (const delivery of running) await delivery.close();
    await service.close();
    writer.close();
    rmSync(dataDir, { recursive: true });
  });

  const sinkOf = (target: SinkTarget, from = 0, secret = false): Sink => {
    const id = `019a0000-0000-7000-8000-${String(++count).padStart(12, '0')}`;
    const rest = { status: 'active', statusReason: null, createdAt: '2026-11-21T19:30:00.000000Z' } as const;
    return { id, name: `sink-${count}`, target, secret, from, ...rest };
  };
  const running: Delivery[] = [];
  const deliver = (
    sink: Sink,
    secret: string | null = null,
    states: SinkState[] = [],
    sender = senderOf(dataDir, { sink, secret }),
  ): Delivery => {
    const delivery = new Delivery({
      id: sink.id,
      from: sink.from,
      log: new PublishedLog(join(dataDir, 'log')),
      position: new PositionFile(dataDir, sink.id),
      sender,
      onState: (state) => states.push(state),
      pace: PACE,
    });
    running.push(delivery);
    return delivery;
  };
  const until = async (what: string, done: () => boolean | Promise<boolean>): Promise<void> => {
    for (let i = 0; i < 1000; i++) {
      if (await done()) return;
      await new Promise((wait) => setTimeout(wait, 10));
    }
    assert.fail(`it never came to be: ${what}`);
  };
  const textOf = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '');
  interface Told {
    readonly metadata: {
      readonly sequence: number;
      readonly uid: string;
      readonly original_event_uid?: string;
    };
    readonly enrichments?: readonly { readonly type: string; readonly data: { readonly ticket?: string } }[];
    readonly class_uid: number;
    readonly unmapped: { readonly verbs?: readonly string[] };
  }
  const eventsOf = (text: string): Told[] =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Told);
  const sequences = (events: readonly Told[]): number[] => events.map(({ metadata }) => metadata.sequence);
  const upTo = (size: number, from = 0): number[] => Array.from({ length: size - from }, (_, i) => from + i);
  const target = (url: string): SinkTarget => ({
    kind: 'https',
    url,
    header: 'authorization',
    ca: authority.ca.pem,
  });

  test('a file gets an event for each leaf, in order, valid and without statements, and goes on after a restart', async () => {
    const sink = sinkOf({ kind: 'file', maxBytes: 1 << 24, keep: 2 });
    const path = join(dataDir, 'sinks', sink.name, 'events.ndjson');
    const size = await journal();
    let delivery = deliver(sink);
    await until('all are there', () => eventsOf(textOf(path)).length === size);
    await delivery.close();
    const events = eventsOf(readFileSync(path, 'utf8'));
    assert.deepEqual(sequences(events), upTo(size));
    for (const event of events) assert.deepEqual(problemsOf(event), []);
    assert.equal(readFileSync(path, 'utf8').includes('secret text'), false);
    assert.equal(statSync(path).mode & 0o077, 0);
    const answered = events.filter(({ metadata }) => metadata.original_event_uid !== undefined);
    assert.equal(answered.length, 20);
    for (const { enrichments, unmapped } of answered) {
      assert.deepEqual(unmapped.verbs, ['select']);
      assert.equal(enrichments?.find(({ type }) => type === 'grant')?.data.ticket, 'CHG-1042');
    }
    const grown = await more(3);
    delivery = deliver(sink);
    await until('the rest is there', () => eventsOf(readFileSync(path, 'utf8')).length === grown);
    await delivery.close();
    assert.deepEqual(sequences(eventsOf(readFileSync(path, 'utf8'))), upTo(grown));
  });

  test('a line that a crash tore is cut off and comes again whole', async () => {
    const sink = sinkOf({ kind: 'file', maxBytes: 1 << 24, keep: 2 });
    const path = join(dataDir, 'sinks', sink.name, 'events.ndjson');
    const size = await journal();
    let delivery = deliver(sink);
    await until('all are there', () => eventsOf(textOf(path)).length === size);
    await delivery.close();
    // The position of before, and half a line: what kill -9 leaves.
    new PositionFile(dataDir, sink.id).write({ next: size - 2, at: null });
    appendFileSync(path, '{"half":');
    delivery = deliver(sink);
    await until('two come twice', () => readFileSync(path, 'utf8').split('\n').length - 1 === size + 2);
    await delivery.close();
    assert.deepEqual(sequences(eventsOf(readFileSync(path, 'utf8'))), [...upTo(size), size - 2, size - 1]);
  });

  test('files are begun anew at their size, and the oldest go', async () => {
    const sink = sinkOf({ kind: 'file', maxBytes: 40_000, keep: 2 });
    const dir = join(dataDir, 'sinks', sink.name);
    const delivery = deliver(sink);
    let size = 0;
    for (let i = 0; i < 6; i++) {
      size = await more(12);
      await until('it is there', () => new PositionFile(dataDir, sink.id).read()?.next === size);
    }
    await delivery.close();
    const files = readdirSync(dir).sort();
    assert.equal(files.length, 3);
    const events = eventsOf(files.map((name) => readFileSync(join(dir, name), 'utf8')).join(''));
    const first = events[0]?.metadata.sequence ?? 0;
    assert.equal(first > 0, true);
    assert.deepEqual(sequences(events), upTo(size, first));
  });

  test('https: everything comes with its secret, compressed, though the receiver fails, is busy or does not answer', async () => {
    const receiver = await httpsReceiver(authority);
    const states: SinkState[] = [];
    receiver.answer = { status: 503, headers: { 'retry-after': '0' }, body: 'postern-secret-answer' };
    const size = await journal();
    const delivery = deliver(sinkOf(target(receiver.url), 0, true), 'Bearer s3cret', states);
    await until('it fails', () => states.at(-1)?.fault === 'it answers with 503');
    assert.notEqual(states.at(-1)?.failingSince, null);
    receiver.answer = null;
    await until('it is silent', () => states.at(-1)?.fault === 'it did not answer in time');
    receiver.answer = { status: 302, headers: { location: 'https://elsewhere.example/' } };
    await until('it sends elsewhere', () => states.at(-1)?.fault === 'it answers with 302');
    const before = receiver.received.length;
    receiver.answer = { status: 204 };
    await until('all are there', () => states.at(-1)?.next === size);
    assert.deepEqual([states.at(-1)?.fault, states.at(-1)?.failingSince], [null, null]);
    const taken = receiver.received.slice(before);
    assert.deepEqual(sequences(eventsOf(taken.map(({ body }) => body).join(''))), upTo(size));
    assert.deepEqual(
      [taken[0]?.headers.authorization, taken[0]?.headers['content-encoding']],
      ['Bearer s3cret', 'gzip'],
    );
    // The same batch has the same name, whenever it comes.
    assert.equal(receiver.received[0]?.headers['postern-batch'], taken[0]?.headers['postern-batch']);
    assert.equal(
      JSON.stringify(states).includes('s3cret') || JSON.stringify(states).includes('secret-answer'),
      false,
    );
    await delivery.close();
    await receiver.close();
  });

  test('https: an authority that nobody named is not trusted, and gets nothing', async () => {
    const receiver = await httpsReceiver(await makeServer());
    const states: SinkState[] = [];
    const delivery = deliver(sinkOf(target(receiver.url), 0, true), 'Bearer s3cret', states);
    await until('it fails', () => states.at(-1)?.fault !== null && states.at(-1)?.fault !== undefined);
    assert.match(String(states.at(-1)?.fault), /^(UNABLE_TO|SELF_SIGNED|CERT_)/);
    await delivery.close();
    assert.equal(receiver.received.length, 0);
    await receiver.close();
  });

  test('OpenTelemetry: logs with time, severity and the event as their body; what is rejected is counted and not sent again', async () => {
    const receiver = await httpsReceiver(authority);
    const states: SinkState[] = [];
    receiver.answer = { status: 200, body: '{"partialSuccess":{"rejectedLogRecords":"3"}}' };
    const size = await journal();
    const delivery = deliver(sinkOf({ ...target(receiver.url), kind: 'otlp' } as SinkTarget), null, states);
    await until('all are there', () => states.at(-1)?.next === size);
    await delivery.close();
    const batches = receiver.received.map(({ body }) => JSON.parse(body));
    const records = batches.flatMap((one) => one.resourceLogs[0].scopeLogs[0].logRecords);
    assert.equal(records.length, size);
    assert.equal(states.at(-1)?.rejected, 3 * batches.length);
    const [first] = records;
    assert.match(first.timeUnixNano, /^\d{19}$/);
    assert.deepEqual([first.severityNumber, first.eventName], [9, 'postern.ledger.opened']);
    const metadata = first.body.kvlistValue.values.find(
      ({ key }: { key: string }) => key === 'metadata',
    ).value;
    const sequence = metadata.kvlistValue.values.find(({ key }: { key: string }) => key === 'sequence').value;
    assert.deepEqual(sequence, { intValue: '0' });
    await receiver.close();
  });

  const syslog = (port: number, more: object = {}): SinkTarget => ({
    ...{ kind: 'syslog', host: 'localhost', port, facility: 13, ca: authority.ca.pem, certificate: null },
    ...more,
  });
  const leavesOf = (messages: readonly string[]): number[] =>
    messages.map((text) => (JSON.parse(text.slice(text.indexOf('{'))) as Told).metadata.sequence);

  test('syslog: each message is whole, in ASCII and framed by its length; what a broken connection may have lost comes again', async () => {
    const receiver = await syslogReceiver(authority);
    const sink = sinkOf(syslog(receiver.port));
    story.deny(batch, session, 'select', 'hr.größe\n<13>1 forged', 'x');
    const size = await journal();
    const states: SinkState[] = [];
    const delivery = deliver(
      sink,
      null,
      states,
      new SyslogSender(sink.target as Extract<SinkTarget, { kind: 'syslog' }>, null, 200),
    );
    await until('all came', () => receiver.messages.length === size);
    assert.equal(states.at(-1)?.next, 0, 'and are not taken to have come before a while');
    receiver.drop();
    await until('all came again', () => receiver.messages.length === 2 * size);
    await until('it is settled', () => states.at(-1)?.next === size);
    await delivery.close();
    assert.deepEqual(leavesOf(receiver.messages), [...upTo(size), ...upTo(size)]);
    for (const message of receiver.messages) {
      assert.match(
        message,
        /^<(110|108)>1 \d{4}-\d\d-\d\dT[\d:.]+Z [\x21-\x7e]+ postern - [a-z_.]{1,32} - \{[\x20-\x7e]+\}$/,
      );
    }
    await receiver.close();
  });

  test('syslog: a client certificate is shown where it is asked for; without one nothing is taken to have come', async () => {
    const receiver = await syslogReceiver(authority, { clients: true });
    const states: SinkState[] = [];
    const without = deliver(sinkOf(syslog(receiver.port)), null, states);
    await until('it fails', () => states.at(-1)?.fault !== null && states.at(-1)?.fault !== undefined);
    await without.close();
    assert.deepEqual([receiver.messages.length, states.at(-1)?.next], [0, 0]);
    const client = await makeCertificate({ by: authority.ca });
    const sink = sinkOf(syslog(receiver.port, { certificate: client.pem }), 0, true);
    const delivery = deliver(sink, client.keyPem);
    await until('they come', () => receiver.messages.length > 20);
    await delivery.close();
    await receiver.close();
  });

  test('a receiver that stops to read holds up neither the log nor another sink, and little is kept for it', async () => {
    const stalled = await syslogReceiver(authority);
    stalled.hold(true);
    const fine = sinkOf({ kind: 'file', maxBytes: 1 << 24, keep: 2 });
    const states: SinkState[] = [];
    const [slow, other] = [deliver(sinkOf(syslog(stalled.port)), null, states), deliver(fine)];
    const size = await more(400);
    await until('the other has it', () => new PositionFile(dataDir, fine.id).read()?.next === size);
    assert.equal(states.at(-1)?.next, 0);
    stalled.hold(false);
    await until('it comes', () => stalled.messages.length >= size);
    await Promise.all([slow.close(), other.close(), stalled.close()]);
  });

  test('a folder that others may write is a fault, and once it is mended nothing is missing', async () => {
    const sink = sinkOf({ kind: 'file', maxBytes: 1 << 24, keep: 2 });
    const states: SinkState[] = [];
    const size = await journal();
    const dir = join(dataDir, 'sinks', sink.name);
    // Others may write there: whoever can replace the file can replace what was delivered.
    mkdirSync(dir, { recursive: true });
    chmodSync(dir, 0o777);
    const delivery = deliver(
      sink,
      null,
      states,
      new FileSender(dir, sink.target as Extract<SinkTarget, { kind: 'file' }>),
    );
    await until('it fails', () => states.at(-1)?.fault === 'POSTERN_INVALID');
    chmodSync(dir, 0o700);
    await until('all are there', () => states.at(-1)?.next === size);
    await delivery.close();
    assert.deepEqual(sequences(eventsOf(readFileSync(join(dir, 'events.ndjson'), 'utf8'))), upTo(size));
  });

  test('the service delivers in a thread, records what fails and how far it came, and stops what is paused', async () => {
    const receiver = await httpsReceiver(authority);
    receiver.answer = { status: 500 };
    let sink = sinkOf(target(receiver.url), 0, true);
    const recorded: { type: string; delivery: SinkRecord['delivery'] }[] = [];
    const sinks = await SinkService.start({
      dataDir,
      list: async () => [sink],
      open: async () => ({ sink, secret: 'Bearer s3cret' }),
      record: async (type, _sink, delivery) => void recorded.push({ type, delivery }),
      say: () => undefined,
      times: { look: 20, failing: 100, delivered: 3_600_000, restart: 50 },
    });
    await until('it is recorded', () => recorded[0]?.type === 'sink.failed');
    assert.equal(recorded[0]?.delivery.fault, 'it answers with 500');
    assert.equal(sinks.warnings().length, 1);
    const open = { sink, secret: 'Bearer s3cret' };
    assert.equal(await sinks.test(open), 'it answers with 500');
    receiver.answer = { status: 200 };
    const size = await journal();
    await until('it recovers', () => recorded.at(-1)?.type === 'sink.recovered');
    await until('it has all', () => sinks.state(sink.id)?.next === size);
    assert.equal(await sinks.test(open), null);
    assert.match(receiver.received.at(-1)?.body ?? '', /"event_code":"sink.test"/);
    sink = { ...sink, status: 'paused' };
    await sinks.changed();
    const before = receiver.received.length;
    const grown = await more(2);
    sink = { ...sink, status: 'active' };
    assert.equal(receiver.received.length, before);
    await sinks.changed();
    await until('it goes on', () => sinks.state(sink.id)?.next === grown);
    await sinks.close();
    assert.equal(recorded.at(-1)?.type, 'sink.delivered');
    assert.equal(recorded.at(-1)?.delivery.next, grown);
    await receiver.close();
  });

  test('a log that is shorter than what was delivered is a fault, and nothing of it is sent under the same numbers', async () => {
    const sink = sinkOf({ kind: 'file', maxBytes: 1 << 24, keep: 2 });
    new PositionFile(dataDir, sink.id).write({ next: (await journal()) + 5, at: null });
    const states: SinkState[] = [];
    const delivery = deliver(sink, null, states);
    await until('it fails', () => states.at(-1)?.fault === 'the log is shorter than what was delivered');
    await delivery.close();
    assert.equal(existsSync(join(dataDir, 'sinks', sink.name)), false);
  });

  test('a certificate of another authority does not make a receiver the one that was meant', async () => {
    const receiver = await syslogReceiver(authority);
    const other = await makeAuthority();
    const states: SinkState[] = [];
    const delivery = deliver(sinkOf(syslog(receiver.port, { ca: other.pem })), null, states);
    await until('it fails', () => states.at(-1)?.fault !== null && states.at(-1)?.fault !== undefined);
    await delivery.close();
    assert.equal(receiver.messages.length, 0);
    await receiver.close();
  });
});
