/** The baseline of `bench/http.ts`: what a proxy of Node.js costs that neither decides nor records. TLS towards the client, HTTP towards the service. */
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';

const [certFile = '', keyFile = '', host = '', port = ''] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: 256 });

const server = createServer(
  { cert: readFileSync(certFile), key: readFileSync(keyFile) },
  (incoming, outgoing) => {
    const { method, url, headers } = incoming;
    const onward = request(
      {
        host,
        port: Number(port),
        method,
        path: url,
        headers: { ...headers, authorization: 'Bearer upstream' },
        agent,
      },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      },
    );
    onward.on('error', () => outgoing.destroy());
    incoming.pipe(onward);
  },
);
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`listening ${(server.address() as AddressInfo).port}\n`);
});
