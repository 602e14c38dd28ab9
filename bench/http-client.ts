import { connect, type Socket } from 'node:net';

/** A response as far as the benchmark reads it. */
export interface Response { readonly status: number; readonly head: string; readonly body: Buffer }

/** A request in bytes. */
export function requestOf(method: string, url: URL, path: string, headers: Readonly<Record<string, string>>, body = ''): Buffer {
  const lines = [`${method} ${path} HTTP/1.1`, `host: ${url.host}`, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)];
  if (body !== '') lines.push('content-type: application/fhir+json', `content-length: ${Buffer.byteLength(body)}`);
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`);
}

/**
 * One kept connection that carries one request at a time. It is made for little CPU of its own, because generator,
 * service and PostgreSQL share the machine: it understands responses with Content-Length and nothing else.
 */
export class HttpConnection {
  readonly #socket: Socket;
  #chunks: Buffer[] = [];
  /** Bytes of the response that are still to come; -1: its head is not complete. */
  #missing = -1;
  #bodyAt = 0;
  #status = 0;
  #settle: ((response: Response) => void) | undefined;
  #fail: ((error: Error) => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => { this.#read(chunk); });
    socket.on('error', (error) => { this.#fail?.(error); });
    socket.on('close', () => { this.#fail?.(new Error('the connection was closed')); });
  }

  static open(url: URL): Promise<HttpConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: url.hostname, port: Number(url.port) }, () => {
        socket.off('error', reject);
        resolve(new HttpConnection(socket));
      });
      socket.once('error', reject);
    });
  }

  /** @throws Error when the connection breaks or the response cannot be read. */
  send(request: Buffer): Promise<Response> {
    return new Promise((resolve, reject) => {
      this.#settle = resolve;
      this.#fail = reject;
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#fail = undefined;
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    this.#chunks.push(chunk);
    if (this.#missing < 0) this.#readHead();
    else this.#missing -= chunk.length;
    if (this.#missing === 0) this.#finish();
  }

  #readHead(): void {
    const bytes = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    const end = bytes.indexOf('\r\n\r\n');
    if (end < 0) return;
    const head = bytes.toString('latin1', 0, end);
    this.#status = Number(head.slice(9, 12));
    const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? (this.#status === 204 || this.#status === 304 ? '0' : undefined);
    if (length === undefined) {
      this.#fail?.(new Error('a response without Content-Length'));
      return;
    }
    this.#bodyAt = end + 4;
    this.#missing = end + 4 + Number(length) - bytes.length;
    this.#chunks = [bytes];
  }

  #finish(): void {
    const bytes = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    const response = { status: this.#status, head: bytes.toString('latin1', 0, this.#bodyAt), body: bytes.subarray(this.#bodyAt) };
    const settle = this.#settle;
    this.#chunks = [];
    this.#missing = -1;
    this.#settle = this.#fail = undefined;
    settle?.(response);
  }
}
