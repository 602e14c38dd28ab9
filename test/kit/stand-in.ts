// The process with the smallest program inside it: what the tests of starting and stopping run.
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import fastify from 'fastify';
import { closingIdle } from '../../src/http/closing.ts';
import { runService } from '../../src/process.ts';

await runService(async ({ config, database }) => {
  const server = fastify({ keepAliveTimeout: 60_000 });
  const closing = closingIdle(server.server);
  let ready = true;
  server.get('/health/ready', (_request, reply) => reply.code(ready ? 200 : 503).send());
  server.get('/slow', async () => { await delay(700); return (await database.query('select count(*)::text as notes from setting where name like $1', ['note %']))[0]; });
  server.get('/stuck', async () => { await delay(600_000); });
  server.get('/note/:text', async (request) => database.query('insert into setting (name, value) values ($1, $2)', [`note ${randomUUID()}`, (request.params as { text: string }).text]));
  server.get('/throw', (_request, reply) => { void reply.send('soon'); setTimeout(() => { throw new TypeError('a secret name'); }, 5); });
  return {
    listen: async () => ({ url: await server.listen({ host: config.host, port: config.port }) }),
    drain: () => { ready = false; return Promise.resolve(); },
    close: () => closing(() => server.close()),
  };
});
