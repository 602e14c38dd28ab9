import type {
  Bundle, BundleEntry, CapabilityStatement, CapabilityStatementRest, CapabilityStatementRestResource, CodeSystem, CodeSystemConcept, ConceptMapGroupElementTarget,
  ConceptMapGroupUnmapped, Measure, MeasureReport, OperationDefinitionParameter, ParametersParameter, SearchParameter, ValueSetComposeInclude, ValueSetExpansionContains,
} from '@medplum/fhirtypes';
import { exists, existsChoice, isDistinct, rule, type Invariant } from './rule.ts';

const requested: ReadonlySet<unknown> = new Set(['batch', 'transaction', 'history']);
const answered: ReadonlySet<unknown> = new Set(['batch-response', 'transaction-response', 'history']);
const needComment: ReadonlySet<unknown> = new Set(['narrower', 'inexact']);

const firstType = ({ entry }: Bundle): unknown => entry?.[0]?.resource?.resourceType;
const codesIn = (concepts: readonly CodeSystemConcept[]): unknown[] => concepts.flatMap(({ code, concept = [] }) => [code, ...codesIn(concept)]);

/** Constraints of the resources that carry, describe and code others. */
export const ofExchangeResources: Readonly<Record<string, readonly Invariant[]>> = {
  Bundle: [
    rule<Bundle>('bdl-1', 'total is for a searchset or history only', (bundle) => !exists(bundle, 'total') || bundle.type === 'searchset' || bundle.type === 'history'),
    rule<Bundle>('bdl-2', 'entry.search is for a searchset only', ({ type, entry = [] }) => type === 'searchset' || !entry.some((each) => 'search' in each)),
    rule<Bundle>('bdl-3', 'entry.request must be there in a batch, transaction or history, and nowhere else', ({ type, entry = [] }) => entry.every((each) => ('request' in each) === requested.has(type))),
    rule<Bundle>('bdl-4', 'entry.response must be there in a batch-response, transaction-response or history, and nowhere else', ({ type, entry = [] }) => entry
      .every((each) => ('response' in each) === answered.has(type))),
    rule<BundleEntry>('bdl-5', 'An entry must have a resource, a request or a response', (entry) => 'resource' in entry || 'request' in entry || 'response' in entry),
    rule<Bundle>('bdl-7', 'fullUrl must differ between entries, or their meta.versionId must', ({ type, entry = [] }) => type === 'history' || isDistinct(entry
      .filter((each) => each.fullUrl !== undefined).map((each) => `${each.fullUrl} ${each.resource?.meta?.versionId ?? ''}`))),
    rule<BundleEntry>('bdl-8', 'fullUrl must not be specific to a version', ({ fullUrl }) => fullUrl?.includes('/_history/') !== true),
    rule<Bundle>('bdl-9', 'A document must have an identifier with system and value', ({ type, identifier }) => type !== 'document'
      || (identifier?.system !== undefined && identifier.value !== undefined)),
    rule<Bundle>('bdl-10', 'A document must have a timestamp', ({ type, timestamp }) => type !== 'document' || timestamp !== undefined),
    rule<Bundle>('bdl-11', 'The first resource of a document must be a Composition', (bundle) => bundle.type !== 'document' || firstType(bundle) === 'Composition'),
    rule<Bundle>('bdl-12', 'The first resource of a message must be a MessageHeader', (bundle) => bundle.type !== 'message' || firstType(bundle) === 'MessageHeader'),
  ],
  CapabilityStatement: [
    rule<CapabilityStatement>('cpb-1', 'There must be rest, messaging or document', (statement) => 'rest' in statement || 'messaging' in statement || 'document' in statement),
    rule<CapabilityStatement>('cpb-2', 'There must be a description, software or implementation', (statement) => exists(statement, 'description') || 'software' in statement || 'implementation' in statement),
    rule<CapabilityStatement>('cpb-3', 'messaging.endpoint is for an instance only', ({ kind, messaging = [] }) => kind === 'instance' || !messaging.some((each) => 'endpoint' in each)),
    rule<CapabilityStatement>('cpb-7', 'Documents must differ in profile or mode', ({ document = [] }) => isDistinct(document.map(({ profile, mode }) => `${profile} ${mode}`))),
    rule<CapabilityStatementRest>('cpb-9', 'A resource type must be described once', ({ resource = [] }) => isDistinct(resource.map(({ type }) => type))),
    rule<CapabilityStatementRestResource>('cpb-12', 'The names of search parameters must differ', ({ searchParam = [] }) => isDistinct(searchParam.map(({ name }) => name))),
    rule<CapabilityStatement>('cpb-14', 'An instance must have an implementation', (statement) => statement.kind !== 'instance' || 'implementation' in statement),
    rule<CapabilityStatement>('cpb-15', 'A capability must have software and no implementation', (statement) => statement.kind !== 'capability'
      || (!('implementation' in statement) && 'software' in statement)),
    rule<CapabilityStatement>('cpb-16', 'Requirements must have neither implementation nor software', (statement) => statement.kind !== 'requirements'
      || (!('implementation' in statement) && !('software' in statement))),
  ],
  CodeSystem: [
    rule<CodeSystem>('csd-1', 'The codes of a code system must differ', ({ concept = [] }) => isDistinct(codesIn(concept))),
  ],
  ConceptMap: [
    rule<ConceptMapGroupElementTarget>('cmd-1', 'A narrower or inexact target must have a comment', (target) => exists(target, 'comment') || !needComment.has(target.equivalence)),
    rule<ConceptMapGroupUnmapped>('cmd-2', 'Mode fixed needs a code', (unmapped) => unmapped.mode !== 'fixed' || exists(unmapped, 'code')),
    rule<ConceptMapGroupUnmapped>('cmd-3', 'Mode other-map needs a url', (unmapped) => unmapped.mode !== 'other-map' || exists(unmapped, 'url')),
  ],
  Measure: [
    rule<Measure>('mea-1', 'A stratifier must have either criteria or components', ({ group = [] }) => group.every(({ stratifier = [] }) => stratifier
      .every((each) => ('code' in each || exists(each, 'description') || 'criteria' in each) !== ('component' in each)))),
  ],
  MeasureReport: [
    rule<MeasureReport>('mrp-1', 'A report of type data-collection must have no group', (report) => report.type !== 'data-collection' || !('group' in report)),
    rule<MeasureReport>('mrp-2', 'A stratum must have either a value or components', ({ group = [] }) => group.every(({ stratifier = [] }) => stratifier
      .every(({ stratum = [] }) => stratum.every((each) => ('value' in each) !== ('component' in each))))),
  ],
  OperationDefinition: [
    rule<OperationDefinitionParameter>('opd-1', 'A parameter must have a type or parts', (parameter) => exists(parameter, 'type') || 'part' in parameter),
    rule<OperationDefinitionParameter>('opd-2', 'searchType is for parameters of type string only', (parameter) => !exists(parameter, 'searchType') || parameter.type === 'string'),
    rule<OperationDefinitionParameter>('opd-3', 'targetProfile is for parameters of type Reference or canonical only', (parameter) => !exists(parameter, 'targetProfile')
      || parameter.type === 'Reference' || parameter.type === 'canonical'),
  ],
  Parameters: [
    rule<ParametersParameter>('inv-1', 'A parameter must have exactly one of value[x], resource and part', (parameter) => Number(existsChoice(parameter, 'value'))
      + Number('resource' in parameter) + Number('part' in parameter) === 1),
  ],
  SearchParameter: [
    rule<SearchParameter>('spd-1', 'xpath needs xpathUsage', (parameter) => !exists(parameter, 'xpath') || exists(parameter, 'xpathUsage')),
    rule<SearchParameter>('spd-2', 'chain is for parameters of type reference only', (parameter) => !exists(parameter, 'chain') || parameter.type === 'reference'),
  ],
  ValueSet: [
    rule<ValueSetComposeInclude>('vsd-1', 'An include must have a system or a valueSet', (include) => exists(include, 'system') || exists(include, 'valueSet')),
    rule<ValueSetComposeInclude>('vsd-2', 'Concepts and filters need a system', (include) => (!('concept' in include) && !('filter' in include)) || exists(include, 'system')),
    rule<ValueSetComposeInclude>('vsd-3', 'An include must not have both concept and filter', (include) => !('concept' in include) || !('filter' in include)),
    rule<ValueSetExpansionContains>('vsd-6', 'A member must have a code or a display', (member) => exists(member, 'code') || exists(member, 'display')),
    rule<ValueSetExpansionContains>('vsd-9', 'A member without a code must be abstract', (member) => exists(member, 'code') || member.abstract === true),
    rule<ValueSetExpansionContains>('vsd-10', 'A member with a code must have a system', (member) => !exists(member, 'code') || exists(member, 'system')),
  ],
};
