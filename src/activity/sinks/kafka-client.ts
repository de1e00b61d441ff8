import { connect as connectPlain, isIP, Socket } from 'node:net';
import { connect as connectTls, rootCertificates } from 'node:tls';
import type { KafkaConfig, Producer, SASLOptions } from 'kafkajs';
import type { SinkTarget } from '../../store/entities.ts';
import { type Batch, SinkFault } from './batch.ts';

export type KafkaTarget = Extract<SinkTarget, { kind: 'kafka' }>;

/** In milliseconds. Shorter than what a delivery gives a batch, so that what took too long has a name. */
const CONNECT = 10_000;
const REQUEST = 20_000;
const KEEP_ALIVE = 60_000;
/** What brokers may answer to one batch, in bytes: their lengths are their own word. */
const MOST_ANSWERED = 8 << 20;
/** All in-sync replicas. */
const ALL = -1;

/**
 * The one place that knows the library. A client lives until its first fault; what it opened ends with it.
 *
 * @see https://kafka.js.org/docs/configuration
 */
export class KafkaClient {
  readonly #target: KafkaTarget;
  readonly #password: string | null;
  readonly #sockets = new Set<Socket>();
  #producer: Producer | null = null;
  #ended = false;
  #answered = 0;
  /** Why a connection was ended from here: the library says only that it was. */
  #reason: SinkFault | null = null;

  constructor(target: KafkaTarget, password: string | null) {
    this.#target = target;
    this.#password = password;
  }

  /** Resolves when every in-sync replica has them. @throws what the library throws; SinkFault */
  async write(events: Batch['events']): Promise<void> {
    this.#answered = 0;
    // Only who has such a sink loads the library.
    const { Kafka, Partitioners } = (await import('kafkajs')).default;
    if (this.#ended) throw left();
    this.#producer ??= new Kafka(this.#config()).producer({
      allowAutoTopicCreation: false,
      createPartitioner: Partitioners.DefaultPartitioner,
      maxInFlightRequests: 1,
    });
    const producer = this.#producer;
    await this.#written(producer, events).catch((error: unknown) => {
      throw this.#reason ?? error;
    });
  }

  async #written(producer: Producer, events: Batch['events']): Promise<void> {
    const { CompressionTypes } = (await import('kafkajs')).default;
    await producer.connect();
    await producer.send({
      topic: this.#target.topic,
      acks: ALL,
      timeout: REQUEST,
      compression: CompressionTypes.GZIP,
      messages: events.map(({ json, key, leaf }) => ({ key, value: json, headers: { leaf: String(leaf) } })),
    });
  }

  #leave(socket: Socket, reason: SinkFault): void {
    this.#reason ??= reason;
    socket.destroy(reason);
  }

  /** Ends its connections, and makes no other. */
  end(): void {
    this.#ended = true;
    for (const socket of this.#sockets) socket.destroy(left());
    // Nothing is behind it any more; what it says of that is of no use to anybody.
    this.#producer?.disconnect().catch(() => undefined);
  }

  #config(): KafkaConfig {
    const { brokers, tls } = this.#target;
    const sasl = this.#sasl();
    return {
      clientId: 'postern',
      brokers: [...brokers],
      ssl: tls,
      ...(sasl !== null && { sasl }),
      connectionTimeout: CONNECT,
      authenticationTimeout: CONNECT,
      requestTimeout: REQUEST,
      // Enough to come to the next of the brokers; what fails after that waits as with every sink.
      retry: { retries: brokers.length, initialRetryTime: 100, maxRetryTime: 1000 },
      logCreator: () => () => undefined,
      socketFactory: ({ host, port, onConnect }) => this.#dial(host, port, onConnect),
    };
  }

  #sasl(): SASLOptions | null {
    const { sasl } = this.#target;
    if (sasl === null) return null;
    if (this.#password === null) throw new SinkFault('its password is missing');
    return { mechanism: sasl.mechanism, username: sasl.user, password: this.#password } as SASLOptions;
  }

  /** A connection to a broker: one that was given, or one that such a one named. */
  #dial(host: string, port: number, connected: () => void): Socket {
    const { tls, ca } = this.#target;
    // Without TLS nothing goes beyond this machine, whatever address a broker names.
    const elsewhere = !tls && isIP(host) !== 0 && !isLoopbackAddress(host);
    const socket =
      this.#ended || elsewhere
        ? new Socket()
        : tls
          ? connectTls(
              {
                host,
                port,
                ...(isIP(host) === 0 && { servername: host }),
                ca: ca === null ? [...rootCertificates] : [ca],
                minVersion: 'TLSv1.2',
              },
              connected,
            )
          : connectPlain({ host, port }, connected);
    if (socket.connecting) socket.setKeepAlive(true, KEEP_ALIVE);
    else process.nextTick(() => this.#leave(socket, this.#ended ? left() : notHere()));
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('data', (part: Buffer) => {
      this.#answered += part.length;
      if (this.#answered > MOST_ANSWERED) this.#leave(socket, new SinkFault('its answer is too long'));
    });
    socket.on('lookup', (error, address) => {
      if (!tls && error === null && !isLoopbackAddress(address)) this.#leave(socket, notHere());
    });
    return socket;
  }
}

const left = (): SinkFault => new SinkFault('it was left');
const notHere = (): SinkFault => new SinkFault('it names a broker on another machine, which takes TLS');

const isLoopbackAddress = (address: string): boolean =>
  isIP(address) === 4 ? address.startsWith('127.') : address === '::1';
