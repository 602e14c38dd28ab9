import type { Socket } from 'node:net';
import { problem } from '../fhir/outcome.ts';
import { refusalAnswer, safeguards } from './respond.ts';

const reasons: Readonly<Record<number, string>> = { 400: 'Bad Request', 408: 'Request Timeout', 431: 'Request Header Fields Too Large' };

const status = (code: string | undefined): 400 | 408 | 431 => (code === 'HPE_HEADER_OVERFLOW' ? 431 : code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400);

const texts = {
  400: 'This is not an HTTP request that can be read: check its first line, its headers and how long it says its body is.',
  408: 'The request took too long to arrive.',
  431: 'The request line and the headers may have 32 KB at most: send a long search as a form to [type]/_search.',
} as const;

/**
 * Answers what Node's HTTP parser refuses before there is a request: broken framing, headers too large, a request that does
 * not arrive in time. Nothing of it is repeated, and the connection ends.
 */
export function refuseUnreadable(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const code = status(error.code);
  const { body } = refusalAnswer(problem('malformed', code === 431 ? 'too-long' : code === 408 ? 'timeout' : 'invalid', texts[code]));
  const headers = { ...safeguards, 'content-type': 'application/fhir+json; charset=utf-8', 'content-length': String(Buffer.byteLength(body!)), connection: 'close' };
  socket.end(`HTTP/1.1 ${code} ${reasons[code]}\r\n${Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`);
}
