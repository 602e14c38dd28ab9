import { canonicalBase } from '../fhir/canonical.ts';
import type { Resource } from '../fhir/resource.ts';
import { searchParameters, type SearchParameter } from '../fhir/search-parameters.ts';
import { servedType, servedTypes } from '../fhir/types.ts';
import { isAt, isOn, type Operation } from '../operations/operation.ts';
import { operations } from '../operations/operations.ts';
import { auditParameters } from '../store/audit-search.ts';

/** What the statement says of this deployment. */
export interface Deployment {
  readonly baseUrl: string;
  readonly version: string;
  /** FHIR dateTime since when this statement holds. */
  readonly date: string;
  /** What the service ships: the profiles in it are those that it knows from the start. */
  readonly shipped: readonly Resource[];
  /** What the authorization server says of itself (RFC 8414). */
  readonly authorization?: Readonly<Record<string, unknown>>;
}

const reading = ['read', 'vread', 'history-instance', 'history-type', 'search-type'];
const writing = ['create', 'update', 'patch', 'delete'];

/** What the search does not carry out is not stated. */
const searchable = ({ code, type: kind }: SearchParameter, type: string): boolean => kind !== 'special' && (type !== 'AuditEvent' || auditParameters.includes(code));

/** Parameters of every type that are about no element of it. */
const general = [
  { name: '_filter', type: 'special', documentation: 'The grammar of R4; "and" binds tighter than "or".' },
  { name: '_list', type: 'string', documentation: 'The id of a List; of the lists by function there is $current-problems of Conditions.' },
];

/** Guides of which the profiles are shipped and the searches of the served types are carried out (docs/rest.md). */
const guides = ['http://hl7.org/fhir/us/core/ImplementationGuide/hl7.fhir.us.core|6.1.0', 'http://hl7.org/fhir/uv/sdc/ImplementationGuide/hl7.fhir.uv.sdc|3.0.0'];
/** What is met whole. Of the server of US Core it is not: it serves types that this service does not. */
const instantiated = ['http://hl7.org/fhir/uv/sdc/CapabilityStatement/sdc-form-manager'];

/** @returns the canonicals of the profiles among `resources`, by the type that they are of. */
function profilesByType(resources: readonly Resource[]): ReadonlyMap<string, readonly string[]> {
  const profiles = resources.filter((each) => each.resourceType === 'StructureDefinition' && each['kind'] === 'resource' && each['derivation'] === 'constraint' && each['abstract'] !== true);
  return new Map([...Map.groupBy(profiles, (each) => each['type'] as string)].map(([type, list]) => [type, list.map((each) => each['url'] as string).toSorted()]));
}

const stated = (parameters: readonly SearchParameter[]): object[] => parameters.map(({ code, type, url }) => ({ name: code, ...(url === '' ? {} : { definition: url }), type }));

/** An operation, with the scopes without which it is refused; one without any asks for those of the type that it is called on. */
const called = ([name, { definition, needs }]: readonly [string, Operation]): object =>
  ({ name, definition, ...(needs.length === 0 ? {} : { documentation: `Needs the scopes ${needs.map(([type, verb]) => `${type}.${verb}`).join(', ')}.` }) });

function resource(type: string, profiles: readonly string[] = []): Record<string, unknown> {
  const parameters = searchParameters(type).filter((parameter) => searchable(parameter, type));
  const references = parameters.filter((parameter) => parameter.type === 'reference');
  const readOnly = servedType(type)!.writtenBy === 'service';
  const incoming = servedTypes.filter((source) => source !== 'AuditEvent').flatMap((source) => searchParameters(source)
    .filter((parameter) => parameter.type === 'reference' && parameter.targets.includes(type))
    .map(({ code }) => `${source}:${code}`));
  const offered = [...operations].filter(([, operation]) => isOn(operation, type, readOnly));
  return {
    type,
    profile: `http://hl7.org/fhir/StructureDefinition/${type}`,
    ...(profiles.length === 0 ? {} : { supportedProfile: profiles }),
    interaction: (readOnly ? ['read', 'search-type'] : [...reading, ...writing]).map((code) => ({ code })),
    versioning: readOnly ? 'no-version' : 'versioned-update',
    readHistory: !readOnly,
    updateCreate: !readOnly,
    conditionalCreate: !readOnly,
    ...(readOnly ? {} : { conditionalRead: 'full-support' }),
    conditionalUpdate: !readOnly,
    conditionalDelete: readOnly ? 'not-supported' : 'multiple',
    referencePolicy: ['literal', 'logical', 'local'],
    ...(readOnly ? {} : { searchInclude: ['*', ...references.map(({ code }) => `${type}:${code}`)], searchRevInclude: incoming }),
    searchParam: [...stated(parameters), ...(readOnly ? [] : general)],
    ...(offered.length === 0 ? {} : { operation: offered.map(called) }),
  };
}

/**
 * Endpoints for clients of SMART 1.0, which look for them here (http://hl7.org/fhir/smart-app-launch/1.0.0/conformance/#using-capabilitystatement).
 * Validators know the definition of the extension without `introspect` and `revoke`; conformance tests of SMART want all that the
 * well-known document has, and who launches an app depends on these.
 */
function oauthUris(authorization: Deployment['authorization']): object {
  const extension = [['authorize', 'authorization_endpoint'], ['token', 'token_endpoint'], ['introspect', 'introspection_endpoint'], ['revoke', 'revocation_endpoint']].flatMap(([url, name]) => {
    const value = authorization?.[name!];
    return typeof value === 'string' ? [{ url, valueUri: value }] : [];
  });
  return extension.length === 0 ? {} : { extension: [{ url: 'http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris', extension }] };
}

/** @returns the CapabilityStatement (http://hl7.org/fhir/R4/capabilitystatement.html) as text: computed from what is enabled. */
export function capabilityStatement({ baseUrl, version, date, shipped, authorization }: Deployment): string {
  const profiles = profilesByType(shipped);
  const uris = oauthUris(authorization);
  const ofSystem = [...operations].filter(([, operation]) => isAt(operation, 'system'));
  return JSON.stringify({
    resourceType: 'CapabilityStatement',
    url: `${canonicalBase}/CapabilityStatement/intersession`,
    version,
    name: 'Intersession',
    title: 'Intersession: what happens between psychotherapy sessions',
    status: 'active',
    date,
    kind: 'instance',
    instantiates: instantiated,
    software: { name: 'Intersession', version },
    implementation: { description: 'Homework, answers, goals, and the progress computed from them', url: baseUrl },
    fhirVersion: '4.0.1',
    format: ['application/fhir+json', 'json'],
    patchFormat: ['application/json-patch+json', 'application/fhir+json'],
    implementationGuide: guides,
    rest: [{
      mode: 'server',
      documentation: 'A QuestionnaireResponse is answered after its scores, change classes, goal status and alerts are stored, in the same transaction. Computed Observations are written by the service only. Unknown search parameters are refused unless Prefer: handling=lenient. A conditional delete takes several matches (100 at most) only where it says _multiple=true. What is not visible to a caller does not exist for it. A resource that says in meta.profile that it meets a profile which is stored here is refused (422) when it does not; other profiles are taken as they come.',
      security: {
        ...uris,
        cors: true,
        service: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/restful-security-service', code: 'SMART-on-FHIR', display: 'SMART-on-FHIR' }] }],
        description: 'OAuth 2.0 bearer tokens with SMART v2 scopes of the contexts patient, user and system.',
      },
      resource: servedTypes.map((type) => resource(type, profiles.get(type))),
      interaction: ['transaction', 'batch', 'search-system', 'history-system'].map((code) => ({ code })),
      searchParam: [...stated(searchParameters('Goal').filter(({ code }) => code.startsWith('_'))), { name: '_type', type: 'token', documentation: 'Of a search over several types: all other parameters must be ones of each of them. AuditEvent is searched by itself.' }],
      ...(ofSystem.length === 0 ? {} : { operation: ofSystem.map(called) }),
      compartment: ['http://hl7.org/fhir/CompartmentDefinition/patient'],
    }],
  });
}
