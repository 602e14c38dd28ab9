import { authorize, visibility } from '../auth/decide.ts';
import { bearerToken } from '../auth/bearer.ts';
import type { Caller } from '../auth/token.ts';
import { Problem } from '../fhir/outcome.ts';
import type { Visibility } from '../fhir/visibility.ts';
import { recordRefusal, recordStranger } from '../interactions/access-log.ts';
import type { Answer, Context, Parts } from '../interactions/context.ts';
import { perform } from '../interactions/perform.ts';
import { route, verbOf, type Interaction } from '../interactions/route.ts';
import { nativeWanted } from './native.ts';
import type { RateLimiter } from './rate-limit.ts';
import { formOf, header, idempotencyKeyOf, ifMatchOf, negotiate, preferences, requireMediaType, requirePatch, type Incoming } from './request.ts';
import { statusOf } from './respond.ts';

/** What the journey needs beside the request. */
export interface Service extends Parts {
  readonly authenticate: (token: string) => Promise<Caller>;
  readonly limit: RateLimiter;
}

/**
 * The whole journey of a request, one stage a line. A stage refuses by throwing a Problem; nothing travels back.
 * Up to `perform` no database connection is taken, but for the row of the log about one who has no access
 * (test/http/funnel.test.ts proves it).
 * @param known told what is asked for as soon as that is known: a request that is refused is counted under it too.
 */
export async function journey(service: Service, request: Incoming, known: (interaction: Interaction) => void): Promise<Answer> {
  const native = nativeWanted(request);
  const format = native === undefined ? negotiate(request) : undefined;    // 406
  if (isPublic(request)) return capabilities(service, known);
  const caller = await authenticated(service, request);                    // 401
  const interaction = routed(request);                                     // 400 404 405 415
  known(interaction);
  await service.limit.request(caller, interaction);                        // 429
  const visible = visibility(caller);                                      // 403
  const context = { ...contextOf(service, request, caller, visible), ...(format === undefined ? {} : { format }), ...(native === undefined ? {} : { native }) }; // 400
  try {
    permit(visible, interaction);                                          // 403
    return await perform(context, interaction, request.body, statusOf);    // 400 404 409 410 412 422 503
  } catch (error) {
    if (error instanceof Problem) await recordRefusal(context, interaction, error);
    throw error;
  }
}

/** Who asks. A request without a token that holds is logged, and refused all the same where that is not possible. */
async function authenticated({ authenticate, audit, limit }: Service, request: Incoming): Promise<Caller> {
  try {
    return await authenticate(bearerToken(header(request, 'authorization')));
  } catch (error) {
    if (error instanceof Problem && error.kind === 'unauthenticated') {
      await limit.stranger(request.address);                               // 429
      await recordStranger(audit, { requestId: request.id, address: request.address });
    }
    throw error;
  }
}

/** Whether the request comes from somebody who has access; one that does not is refused by the journey, whatever it brings. */
export async function isKnown(service: Service | undefined, request: Incoming): Promise<boolean> {
  try {
    return service !== undefined && (await service.authenticate(bearerToken(header(request, 'authorization')))) !== undefined;
  } catch (error) {
    if (error instanceof Problem) return false;
    throw error;
  }
}

/** The CapabilityStatement is the only part of the API that anybody may read. */
function isPublic({ method, path }: Incoming): boolean {
  return (method === 'GET' || method === 'HEAD') && path.replace(/^\/|\/$/g, '') === 'metadata';
}

function capabilities(service: Service, known: (interaction: Interaction) => void): Answer {
  known({ kind: 'capabilities' });
  return { status: 200, body: service.capabilities };
}

/** Tells the interaction from method and URL, and checks that a body is of the type it takes. */
function routed(request: Incoming): Interaction {
  const isForm = request.method === 'POST' && /\/?_search$/.test(request.path);
  if (isForm && request.body !== '') requireMediaType(request, 'form');
  const interaction = route(request.method, request.path, request.query, isForm ? formOf(request.body) : undefined);
  if (interaction.kind === 'patch' || interaction.kind === 'conditional-patch') requirePatch(request);
  else if (/^(create|update|conditional-update|bundle)$/.test(interaction.kind) || (interaction.kind === 'operation' && request.body !== '')) requireMediaType(request, 'resource');
  return interaction;
}

function contextOf(service: Service, request: Incoming, caller: Caller, visible: Visibility): Context {
  const agent = caller.fhirUser ?? (caller.patient === undefined ? undefined : `Patient/${caller.patient}`);
  return {
    database: service.database, committer: service.committer, audit: service.audit, administrators: service.administrators, baseUrl: service.baseUrl, pageKey: service.pageKey, questionnaire: service.questionnaire, profiles: service.profiles, registry: service.registry, reference: service.reference, safety: service.safety, device: service.device, capabilities: service.capabilities, emergencyMinutes: service.emergencyMinutes, zone: service.zone,
    visibility: visible,
    requester: { client: caller.client, agent, requestId: request.id, address: request.address },
    prefer: preferences(request),
    ifMatch: ifMatchOf(request),
    ifNoneMatch: header(request, 'if-none-match'),
    ifModifiedSince: header(request, 'if-modified-since'),
    ifNoneExist: header(request, 'if-none-exist'),
    idempotencyKey: idempotencyKeyOf(request),
  };
}

function permit(visible: Visibility, interaction: Interaction): void {
  const needs = verbOf(interaction);
  if (needs !== null) authorize(visible, needs.type, needs.verb);
}
