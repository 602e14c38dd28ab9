import { Transform, type Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { problem } from '../fhir/outcome.ts';

/** Bodies up to this size are not counted: they are what requests usually are, and a thousand of them fit. */
const small = 256 * 1024;
/** What larger bodies may take of the memory at the same time; parsed, a body takes several times its size. */
const together = 128 * 1024 * 1024;

export interface LargeBodies {
  /** Whether somebody asks who has access: only for them a large body is read at all. */
  readonly isKnown: (request: FastifyRequest) => Promise<boolean>;
  /** Answers a request of anybody else, without its body. */
  readonly refuse: (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>;
  /** Told of each that is refused for want of room. */
  readonly full: () => void;
}

/**
 * Keeps many large bodies at once from taking the memory: what does not fit is refused with 503 and may come again, and one
 * that comes from a stranger is refused before it is read. A body that does not say how long it is, is counted as it arrives.
 */
export function confineLargeBodies(fastify: FastifyInstance, { isKnown, refuse, full }: LargeBodies): void {
  let taken = 0;
  const claims = new WeakMap<FastifyRequest, number>();
  const claim = (request: FastifyRequest, bytes: number): boolean => {
    if (taken + bytes > together) {
      full();
      return false;
    }
    taken += bytes;
    claims.set(request, (claims.get(request) ?? 0) + bytes);
    return true;
  };
  fastify.addHook('onRequest', async (request, reply) => {
    const { 'transfer-encoding': encoding, 'content-length': length } = request.headers;
    const size = Number(length ?? 0);
    if (encoding === undefined && size <= small) return;
    if (!await isKnown(request)) return refuse(request, reply);
    reply.raw.once('close', () => { taken -= claims.get(request) ?? 0; });
    if (encoding === undefined && !claim(request, size)) throw noRoom();
  });
  fastify.addHook('preParsing', (request, _reply, payload, done) => {
    done(null, request.headers['transfer-encoding'] === undefined ? payload : counted(payload as Readable, (bytes) => claim(request, bytes)));
  });
}

/** The same stream; what arrives beyond a small body is claimed, and the stream fails where there is no room. */
function counted(payload: Readable, claim: (bytes: number) => boolean): Readable {
  let size = 0;
  const counting = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      if (size > small && !claim(chunk.length)) done(noRoom());
      else done(null, chunk);
    },
  });
  payload.once('error', (error) => counting.destroy(error));
  payload.once('close', () => { if (!payload.readableEnded) counting.destroy(new Error('the request ended before its body')); });
  return payload.pipe(counting);
}

const noRoom = (): Error => problem('unavailable', 'transient', 'Too many large bodies arrive at the same time. Send it again in a moment, or in smaller parts.', undefined, { 'retry-after': '2' });
