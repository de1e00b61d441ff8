import { type Batch, type Sender, SinkFault } from './batch.ts';
import { KafkaClient, type KafkaTarget } from './kafka-client.ts';
import { kafkaFault } from './kafka-fault.ts';

/**
 * Writes events to a topic: one message each, under the key of its principal, so that those of one principal stay in order. A batch
 * counts when every in-sync replica has it. After any fault everything of the client is thrown away, and the next batch begins with
 * the addresses that were given.
 *
 * @see https://kafka.apache.org/protocol.html#The_Messages_Produce
 */
export class KafkaSender implements Sender {
  readonly settleMs = 0;
  readonly #target: KafkaTarget;
  readonly #password: string | null;
  #client: KafkaClient | null = null;

  constructor(target: KafkaTarget, password: string | null) {
    this.#target = target;
    this.#password = password;
  }

  async send({ events }: Batch, signal: AbortSignal): Promise<number> {
    this.#client ??= new KafkaClient(this.#target, this.#password);
    let abort = (): void => undefined;
    const late = new Promise<never>((_, reject) => {
      abort = () => reject(new SinkFault('it did not answer in time'));
      if (signal.aborted) abort();
      signal.addEventListener('abort', abort, { once: true });
    });
    try {
      await Promise.race([this.#client.write(events), late]);
      return 0;
    } catch (error) {
      await this.close();
      throw kafkaFault(error);
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  async close(): Promise<void> {
    this.#client?.end();
    this.#client = null;
  }
}
