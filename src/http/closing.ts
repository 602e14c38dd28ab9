import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Prepares `server`, before it listens, to be closed without waiting for connections that nobody uses.
 * @returns runs `close` (which stops accepting and waits for the connections to end) while ending every connection as soon
 * as its request is answered. Node looks for idle connections only once, when it starts to close: a kept-alive connection
 * that was busy at that moment would hold the process for its whole keep-alive time. And it does not count as idle what
 * never carried a request, such as the spare connections of browsers, proxies and pools.
 */
export function closingIdle(server: Server): (close: () => Promise<unknown>) => Promise<void> {
  const open = new Set<Socket>();
  server.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  const endIdle = (): void => {
    server.closeIdleConnections();
    for (const socket of open) if (socket.bytesRead === 0) socket.destroy();
  };
  return async (close) => {
    const sweep = setInterval(endIdle, 50);
    try {
      await close();
    } finally {
      clearInterval(sweep);
    }
  };
}
