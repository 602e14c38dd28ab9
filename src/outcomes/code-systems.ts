import careTeamRole from '../../schemas/code-systems/care-team-role.json' with { type: 'json' };
import consentRecordedBy from '../../schemas/code-systems/consent-recorded-by.json' with { type: 'json' };
import encounterType from '../../schemas/code-systems/encounter-type.json' with { type: 'json' };
import changeIndex from '../../schemas/code-systems/change-index.json' with { type: 'json' };
import driver from '../../schemas/code-systems/driver.json' with { type: 'json' };
import endingCheck from '../../schemas/code-systems/ending-check.json' with { type: 'json' };
import homeworkType from '../../schemas/code-systems/homework-type.json' with { type: 'json' };
import interaction from '../../schemas/code-systems/interaction.json' with { type: 'json' };
import measureGroup from '../../schemas/code-systems/measure-group.json' with { type: 'json' };
import measureStratifier from '../../schemas/code-systems/measure-stratifier.json' with { type: 'json' };
import recordAnswer from '../../schemas/code-systems/record-answer.json' with { type: 'json' };
import recordItem from '../../schemas/code-systems/record-item.json' with { type: 'json' };
import reviewAction from '../../schemas/code-systems/review-action.json' with { type: 'json' };
import reviewEscalation from '../../schemas/code-systems/review-escalation.json' with { type: 'json' };
import safetyAnswer from '../../schemas/code-systems/safety-answer.json' with { type: 'json' };
import sharing from '../../schemas/code-systems/sharing.json' with { type: 'json' };
import taskInput from '../../schemas/code-systems/task-input.json' with { type: 'json' };
import taskType from '../../schemas/code-systems/task-type.json' with { type: 'json' };
import { canonicalBase, codeSystem } from '../fhir/canonical.ts';
import type { Resource } from '../fhir/resource.ts';
import { formTotalCode } from './form-total.ts';
import { metricTable } from './metrics.ts';
import type { Registry } from './registry.ts';
import { triggerConcepts } from './safety.ts';
import { allianceStateDisplay, changeClassDisplay, courseStateDisplay, progressMetricDisplay, scoreSideDisplay } from './terminology.ts';

/** The code systems that this service defines, each with a value set of all its codes. */

interface Concept { readonly code: string; readonly display: string; readonly definition?: string }
interface Definition { readonly name: string; readonly title: string; readonly description: string; readonly concept: readonly Concept[] }

const concepts = (displays: Readonly<Record<string, string>>): Concept[] => Object.entries(displays).map(([code, display]) => ({ code, display }));

/** @returns CodeSystem and ValueSet resources with stable ids; those of instruments, methods, bands and triggers follow from the registry. */
export function codeSystems(registry: Registry): Resource[] {
  const definitions: Definition[] = [
    homeworkType, encounterType, endingCheck, driver, changeIndex, taskType, taskInput, reviewAction, measureGroup, measureStratifier, recordItem, recordAnswer, sharing, consentRecordedBy, safetyAnswer, careTeamRole, reviewEscalation, interaction,
    { name: 'progress-metric', title: 'Progress metrics', description: 'What a computed progress Observation and its components measure.', concept: concepts(progressMetricDisplay) },
    { name: 'change-class', title: 'Classes of change', description: 'Reliable and clinically significant change between two scores. A class describes scores, not a person.', concept: concepts(changeClassDisplay) },
    { name: 'score-side', title: 'Sides of a cut-off', description: 'Whether a score is in the clinical or in the functional range of its instrument. A side describes a score, not a person.', concept: concepts(scoreSideDisplay) },
    { name: 'course-state', title: 'States of a course', description: 'Where the scores of a course stand. A state describes scores, not a person.', concept: concepts(courseStateDisplay) },
    { name: 'alliance-state', title: 'States of the work together', description: 'How large a drop in the rating of the work together is, and how it went on. A state describes ratings, not a person.', concept: concepts(allianceStateDisplay) },
    { name: 'observation-category', title: 'Observation categories', description: 'Category beside those of HL7.', concept: [{ code: 'progress', display: 'Progress' }] },
    ...fromRegistry(registry),
  ];
  return definitions.flatMap((definition) => [system(definition), valueSet(definition)]);
}

function fromRegistry(registry: Registry): Definition[] {
  const { instruments, scales } = registry;
  const bands = new Map([...scales.values()].flatMap(({ definition }) => definition.bands?.list ?? []).map(({ code, clinicianLabel }) => [code, clinicianLabel]));
  return [
    { name: 'instrument', title: 'Instruments and their scales', description: 'Scores of known instruments, beside their LOINC codes where these exist.', concept: [
      ...[...scales.values()].flatMap(({ key, definition }) => [{ code: key, display: definition.title }, ...own(definition.acceptAsTotal, 'instrument')]),
      ...own([formTotalCode], 'instrument'),
    ] },
    { name: 'scoring-method', title: 'Scoring methods', description: 'Rules that computed Observations name with their version.', concept: [
      ...instruments.map(({ definition: { id, shortTitle } }) => ({ code: id, display: `Scoring of ${shortTitle}` })),
      ...Object.entries(metricTable).map(([code, { title, formula, source, version }]) => ({ code, display: title.clinician, definition: `${formula} (${source}; version ${version} of the rule)` })),
    ] },
    { name: 'instrument-item', title: 'Items of instruments', description: 'Questions of instruments that have no code of LOINC. Where their texts may not be published, they are numbered.', concept: own(instruments.flatMap(({ definition: { shortTitle, licence, items, unscored } }) => [...items, ...unscored].map(({ system, code, text }, i) => ({ system, code, display: licence.shipItemText && text !== undefined ? text : `Item ${i + 1} of ${shortTitle}` }))), 'instrument-item') },
    { name: 'instrument-answer', title: 'Answers of instruments', description: 'Answers that have no code of LOINC; the number at the end is the one that the form prints.', concept: own(instruments.flatMap(({ definition: { answerLists } }) => answerLists.flatMap(({ options }) => options)), 'instrument-answer') },
    { name: 'score-band', title: 'Bands of scores', description: 'Names of score ranges as their instruments publish them. A band is not a diagnosis.', concept: [...bands].map(([code, display]) => ({ code, display })) },
    { name: 'safety-trigger', title: 'Safety triggers', description: 'Why a response calls for a look.', concept: triggerConcepts(registry) },
  ];
}

/** The codings of a local system, each once. */
const own = (codings: readonly { readonly system?: string; readonly code: string; readonly display: string }[], name: string): Concept[] =>
  [...new Map(codings.filter(({ system }) => system === codeSystem(name)).map(({ code, display }) => [code, { code, display }])).values()];

const computable = (name: string): string => name.split('-').map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');

const common = ({ name, title, description }: Definition): object => ({
  id: name, version: '1.0.0', name: computable(name), title, status: 'active', experimental: false, publisher: 'Intersession', description,
});

const system = (definition: Definition): Resource => ({
  resourceType: 'CodeSystem', ...common(definition), url: codeSystem(definition.name), caseSensitive: true,
  valueSet: `${canonicalBase}/ValueSet/${definition.name}`, content: 'complete', count: definition.concept.length, concept: definition.concept,
});

const valueSet = (definition: Definition): Resource => ({
  resourceType: 'ValueSet', ...common(definition), url: `${canonicalBase}/ValueSet/${definition.name}`,
  compose: { include: [{ system: codeSystem(definition.name) }] },
});
