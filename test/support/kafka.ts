/** The broker within librdkafka, as kcat starts it: real on the wire, with everything in memory, and without TLS and users. */
import { type AddressInfo, connect, createServer } from 'node:net';
import { ensureDebianPackages, KCAT } from '../../scripts/need.ts';
import { run, start } from './processes.ts';

interface Message {
  readonly partition: number;
  readonly key: string;
  readonly leaf: number;
  readonly value: string;
}

export interface Broker {
  readonly port: number;
  readonly pid: number;
  /** Everything that is in a topic, by partition and offset, as an independent consumer reads it. */
  read(topic: string): Promise<Message[]>;
  kill(): Promise<void>;
}

/** An address that stays while brokers come and go; where it leads is changed with `to`. */
export async function relay(): Promise<{ readonly port: number; to: number; close(): Promise<void> }> {
  const server = createServer((socket) => {
    const other = connect(made.to, '127.0.0.1');
    socket.on('error', () => other.destroy()).on('close', () => other.destroy());
    other.on('error', () => socket.destroy()).on('close', () => socket.destroy());
    socket.pipe(other).pipe(socket);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const made = {
    port: (server.address() as AddressInfo).port,
    to: 1,
    close: () => new Promise<void>((done) => server.close(() => done())),
  };
  return made;
}

export async function startBroker(): Promise<Broker> {
  ensureDebianPackages([KCAT]);
  const args = ['-P', '-b', 'x:1', '-t', 'none', '-X', 'test.mock.num.brokers=1', '-d', 'mock'];
  const running = await start('kcat', args, { keepStdin: true });
  const said = await running.waitFor(/bootstrap\.servers=127\.0\.0\.1:(\d+)/, 10_000);
  const port = Number(said[1]);
  return {
    port,
    pid: running.pid,
    read: async (topic) => {
      const format = '%p\\t%k\\t%h\\t%s\\n';
      const { stdout } = await run('kcat', [
        '-C',
        '-q',
        '-b',
        `127.0.0.1:${port}`,
        '-t',
        topic,
        '-e',
        '-f',
        format,
      ]);
      return stdout
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => {
          const [partition = '', key = '', header = '', value = ''] = line.split('\t');
          return { partition: Number(partition), key, leaf: Number(header.replace('leaf=', '')), value };
        });
    },
    kill: () => running.stop('SIGKILL').then(() => undefined),
  };
}
