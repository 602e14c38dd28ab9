import { withoutVersion } from '../fhir/canonical.ts';
import type { Meta, Resource } from '../fhir/resource.ts';
import type { Registry } from './registry.ts';

/** One computation as the store reports it. */
export interface Computation {
  readonly id: string;
  /** References of the versions written, e.g. `Observation/1/_history/1`. */
  readonly targets: readonly string[];
  /** The resources whose change led to it, as stored. */
  readonly sources: readonly Resource[];
  readonly now: string;
  /** `Device/...` of this version of the service. */
  readonly device: string;
  readonly registry: Registry;
  /** `Patient/...` */
  readonly patient: string;
  /** What led to it, where it is not the change of a source. */
  readonly activity?: string;
  /** Labels of the targets, where they are for fewer readers than the sources. */
  readonly security?: Meta['security'];
}

/** @returns the Provenance of what one change led to: this service as the agent, the changed resources as its sources, the instruments' rules as policy. */
export function provenance({ id, targets, sources, now, device, registry, patient, security: ofTargets = [], activity = 'Computed by the rules of this service from the sources named' }: Computation): Resource {
  const policy = new Set(sources.flatMap(({ questionnaire }) => {
    const instrument = typeof questionnaire === 'string' ? registry.byCanonical.get(withoutVersion(questionnaire)) : undefined;
    return instrument === undefined ? [] : [`${instrument.canonical}|${instrument.definition.formVersion ?? instrument.definition.version}`];
  }));
  const labels = [...ofTargets, ...sources.flatMap(({ meta }) => meta?.security ?? [])];
  const security = [...new Map(labels.map((label) => [JSON.stringify(label), label])).values()];
  return {
    resourceType: 'Provenance',
    id,
    // It names its sources and its targets, so it is for the same readers.
    ...(security.length === 0 ? {} : { meta: { security } }),
    // R4 has no Provenance.patient: this is R5's element as an extension.
    extension: [{ url: 'http://hl7.org/fhir/5.0/StructureDefinition/extension-Provenance.patient', valueReference: { reference: patient } }],
    target: targets.map((reference) => ({ reference })),
    recorded: now,
    ...(policy.size === 0 ? {} : { policy: [...policy] }),
    activity: { text: activity },
    agent: [{
      type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/provenance-participant-type', code: 'assembler', display: 'Assembler' }] },
      who: { reference: device },
    }],
    ...(sources.length === 0 ? {} : { entity: sources.map(({ resourceType, id: source, meta }) => ({
      role: 'source',
      what: { reference: meta?.versionId === undefined ? `${resourceType}/${source}` : `${resourceType}/${source}/_history/${meta.versionId}` },
    })) }),
  };
}
