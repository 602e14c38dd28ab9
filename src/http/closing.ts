import type { Server } from 'node:http';

/**
 * Runs `close` (which stops accepting and waits for the connections to end) while ending every connection as soon as
 * its request is answered. Node looks for idle connections only once, when it starts to close: a kept-alive connection
 * that was busy at that moment would hold the process for its whole keep-alive time.
 */
export async function closeWithIdleSweep(server: Server, close: () => Promise<unknown>): Promise<void> {
  const sweep = setInterval(() => { server.closeIdleConnections(); }, 50);
  try {
    await close();
  } finally {
    clearInterval(sweep);
  }
}
