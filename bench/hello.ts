// The bare HTTP framework, for comparison: what any answer costs before there is a service.
import Fastify from 'fastify';

const server = Fastify({ logger: false });
server.get('/', () => ({ hello: 'world' }));
await server.listen({ host: '127.0.0.1', port: 0 });
const address = server.server.address();
process.stdout.write(`http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}\n`);
process.on('SIGTERM', () => { process.exit(0); });
process.on('disconnect', () => { process.exit(0); }); // the benchmark ended, whatever way
