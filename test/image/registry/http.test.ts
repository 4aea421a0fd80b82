// One exchange against a server that is quicker than the request.

import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { discard, send } from '../../../lib/image/registry/http.js';

async function* slow(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('first');
  await new Promise(() => {});
}

t.test('an answer before all was sent lets go of the connection', async (t) => {
  const server = http.createServer((_request, response) => response.writeHead(201).end());
  const closed = new Promise<string>((resolve) => {
    server.on('connection', (socket) => socket.on('close', () => resolve('closed')));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const url = new URL(`http://127.0.0.1:${port}/`);
  const answer = await send({ method: 'PUT', url, headers: { 'content-length': '10' }, body: slow });
  const late = new Promise((resolve) => setTimeout(resolve, 5000, 'still open').unref());
  t.equal(answer.status, 201);
  discard(answer);
  t.equal(await Promise.race([closed, late]), 'closed');
  server.close();
});
