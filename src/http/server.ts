import { randomUUID } from 'node:crypto';
import http, { type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import cors, { type FastifyCorsOptions } from '@fastify/cors';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { problem, Problem } from '../fhir/outcome.ts';
import type { Answer } from '../interactions/context.ts';
import type { Interaction } from '../interactions/route.ts';
import type { ClientAddress } from './client-address.ts';
import { closingIdle } from './closing.ts';
import { isKnown, journey, type Service } from './funnel.ts';
import { confineLargeBodies } from './large-bodies.ts';
import { asResource, bringsContent } from './native.ts';
import type { Incoming } from './request.ts';
import { defect, refusalAnswer, represent, safeguards } from './respond.ts';
import { refuseUnreadable } from './unreadable.ts';

/** Largest body: a transaction of several thousand entries. */
const bodyLimit = 16 * 1024 * 1024;
const fhirRoot = '/fhir/R4';
const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

/** Told of every answered request; no content of it. */
export interface Answered {
  readonly requestId: string;
  readonly method: string;
  readonly interaction: string;
  readonly type?: string;
  readonly status: number;
  readonly ms: number;
}

export interface ServerOptions {
  /** From where a request comes. */
  readonly address: ClientAddress;
  /** Origins of web pages whose scripts may call the FHIR API. */
  readonly isOrigin: (origin: string) => Promise<boolean>;
  /** The service, or undefined while it is not there yet: requests get 503. */
  readonly service: () => Service | undefined;
  readonly ready: () => Promise<boolean>;
  readonly smartConfiguration: () => unknown;
  /** The embedded authorization server, where there is one: answers its own paths. */
  readonly authorization: () => ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
  readonly answered: (event: Answered) => void;
  readonly failed: (requestId: string, error: unknown) => void;
  /** Told of a large body that is refused because there is no room for it. */
  readonly full: () => void;
}

/** The HTTP side of the service: limits, health, and the one FHIR route that leads into the funnel. */
export interface HttpServer {
  listen(host: string, port: number): Promise<number>;
  close(): Promise<void>;
}

/** Builds the server; nothing listens yet. */
export function httpServer(options: ServerOptions): HttpServer {
  const fastify = Fastify({
    logger: false,
    frameworkErrors: (error, request, reply) => { void sendFramework(options, error, request as FastifyRequest, reply as FastifyReply); },
    bodyLimit,
    requestTimeout: 25_000,
    connectionTimeout: 0,
    keepAliveTimeout: 72_000, // longer than a proxy's 60 s, so that it is the proxy that closes
    forceCloseConnections: false,
    clientErrorHandler: refuseUnreadable,
    return503OnClosing: false, // a request that is there is answered; the listener is what closes
    // The authorization server reads its own requests, before anything is parsed here.
    serverFactory: (handler) => createServer(options, handler),
  });
  const closing = closingIdle(fastify.server);
  acceptBodies(fastify);
  fastify.setErrorHandler((error, request, reply) => { void sendFramework(options, error, request, reply); });
  fastify.setNotFoundHandler((request, reply) => send(reply, { id: requestId(request) }, nothingHere(request)));
  fastify.get('/health/live', (_request, reply) => reply.send({ status: 'live' }));
  fastify.get('/health/ready', async (_request, reply) => {
    const ready = await options.ready();
    return reply.code(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not ready' });
  });
  for (const path of ['/.well-known/smart-configuration', `${fhirRoot}/.well-known/smart-configuration`]) {
    fastify.get(path, (_request, reply) => reply.headers({ 'access-control-allow-origin': '*', 'x-content-type-options': 'nosniff' }).send(options.smartConfiguration()));
  }
  const handler = (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => handle(options, request, reply);
  void fastify.register(async (api) => {
    await api.register(cors, crossOrigin(options.isOrigin));
    confineLargeBodies(api, { isKnown: (request) => isKnown(options.service(), incomingOf(options, request)), refuse: handler, full: options.full });
    for (const url of [fhirRoot, `${fhirRoot}/*`]) api.route({ method: methods, url, handler });
  });
  return {
    async listen(host, port) {
      await fastify.listen({ host, port });
      const address = fastify.server.address();
      return typeof address === 'object' && address !== null ? address.port : port;
    },
    close: () => closing(() => fastify.close()),
  };
}

function createServer(options: ServerOptions, handler: (request: IncomingMessage, response: ServerResponse) => void): Server {
  return http.createServer({ requestTimeout: 25_000, headersTimeout: 15_000, keepAliveTimeout: 72_000, maxHeaderSize: 32 * 1024 }, (request, response) => {
    if (options.authorization()?.(request, response) === true) return;
    handler(request, response);
  });
}

/** What scripts of the known origins may send and read. Credentials are in the Authorization header, never in cookies. */
const crossOrigin = (isOrigin: ServerOptions['isOrigin']): FastifyCorsOptions => ({
  origin: (origin, done) => {
    if (origin === undefined) done(null, false);
    else isOrigin(origin).then((known) => { done(null, known); }, () => { done(null, false); });
  },
  methods, credentials: false, maxAge: 600, strictPreflight: true,
  allowedHeaders: ['Authorization', 'Content-Type', 'Accept', 'If-Match', 'If-None-Match', 'If-None-Exist', 'If-Modified-Since', 'Prefer', 'Idempotency-Key', 'X-Request-Id', 'X-Security-Context'],
  exposedHeaders: ['Content-Disposition', 'ETag', 'Location', 'Link', 'Content-Location', 'Last-Modified', 'Retry-After', 'WWW-Authenticate', 'X-Request-Id'],
});

/** Bodies arrive as text, whatever they claim to be: the funnel checks the claim and parses once. The content of a Binary is bytes. */
function acceptBodies(fastify: FastifyInstance): void {
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body, done) => {
    try {
      if (bringsContent(request.method, placeOf(request).path, request.headers['content-type'], body as Buffer)) done(null, body);
      else done(null, utf8.decode(body as Buffer));
    } catch {
      done(problem('malformed', 'invalid', 'The body is not UTF-8.'), undefined);
    }
  });
}
const utf8 = new TextDecoder('utf-8', { fatal: true });

const idForm = /^[\w.-]{1,64}$/;

/** The client's own X-Request-Id where it is one, so that both logs can be joined. */
function requestId(request: FastifyRequest): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && idForm.test(given) ? given : randomUUID();
}

/** The path below the FHIR base, and the query, both undecoded. */
function placeOf(request: FastifyRequest): { path: string; query: string } {
  const url = request.raw.url!.replace(/^https?:\/\/[^/?]*/i, ''); // as a proxy may write it (RFC 9112 3.2.2)
  const mark = url.indexOf('?');
  return { path: (mark < 0 ? url : url.slice(0, mark)).slice(fhirRoot.length), query: mark < 0 ? '' : url.slice(mark + 1) };
}

function incomingOf({ address }: ServerOptions, request: FastifyRequest): Incoming {
  const incoming = {
    id: requestId(request), method: request.method, ...placeOf(request),
    headers: request.headers, body: typeof request.body === 'string' ? request.body : '', address: address(request.raw),
  };
  return Buffer.isBuffer(request.body) ? asResource(incoming, request.body) : incoming;
}

async function handle(options: ServerOptions, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const started = performance.now();
  const incoming = incomingOf(options, request);
  const service = options.service();
  const asked: { interaction?: Interaction } = {};
  let answer: Answer;
  try {
    if (service === undefined) throw problem('unavailable', 'transient', 'The service is starting.', undefined, { 'retry-after': '1' });
    answer = await journey(service, incoming, (interaction) => { asked.interaction = interaction; });
  } catch (error) {
    if (!(error instanceof Problem)) options.failed(incoming.id, error);
    else if (error.cause !== undefined) options.failed(incoming.id, error.cause);
    answer = refusalAnswer(error instanceof Problem ? error : defect(incoming.id));
  }
  const { status, headers, body } = represent(incoming, answer);
  const { interaction } = asked;
  const type = (interaction as { type?: string } | undefined)?.type;
  options.answered({ requestId: incoming.id, method: request.method, interaction: interaction?.kind ?? 'none', ...(type === undefined ? {} : { type }), status, ms: performance.now() - started });
  return reply.code(status).headers(headers).send(body === '' ? undefined : body);
}

function nothingHere({ url, method }: FastifyRequest): Problem {
  return `${url.split('?', 1)[0]}/`.startsWith(`${fhirRoot}/`) && !methods.includes(method)
    ? problem('method-not-allowed', 'not-supported', `The FHIR API takes ${methods.join(', ')}.`, undefined, { allow: methods.join(', ') })
    : problem('not-found', 'not-found', `There is nothing at this path. The FHIR API is at ${fhirRoot}.`);
}

function send(reply: FastifyReply, request: { id: string }, refusal: Problem): FastifyReply {
  const answer = refusalAnswer(refusal);
  return reply.code(answer.status).headers({ 'x-request-id': request.id, ...safeguards, 'content-type': 'application/fhir+json; charset=utf-8', ...answer.headers }).send(answer.body);
}

/** Refusals of Fastify itself (too large, broken framing) in the words of this API. */
function sendFramework(options: ServerOptions, error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const id = requestId(request);
  if (error instanceof Problem) return send(reply, { id }, error);
  const { statusCode } = error as { statusCode?: number };
  if (!methods.includes(request.method)) return send(reply, { id }, nothingHere(request));
  if (statusCode === 413) return send(reply, { id }, problem('too-large', 'too-long', `A body may have ${bodyLimit / 1024 / 1024} MB at most.`));
  if (statusCode === 415) return send(reply, { id }, problem('unsupported-media-type', 'not-supported', 'Send Content-Type application/fhir+json.'));
  if (statusCode !== undefined && statusCode < 500) return send(reply, { id }, problem('malformed', 'invalid', 'The request cannot be read: check that its path is percent-encoded and that its body is as long as it says.'));
  options.failed(id, error);
  return send(reply, { id }, defect(id));
}

