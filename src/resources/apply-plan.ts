import type { ActivityDefinition, PlanDefinition, PlanDefinitionAction, PlanDefinitionGoal } from '@medplum/fhirtypes';
import { extensionUrl } from '../fhir/canonical.ts';
import { problem } from '../fhir/outcome.ts';
import type { Resource } from '../fhir/resource.ts';
import { applied, timingOf, valuesOf, type Setting } from './apply-activity.ts';
import { shifted } from './populate-links.ts';
import { canonicalOf } from './sdc.ts';

/** Actions of a plan at most, those within others counted. */
const mostActions = 200;
const sdcTask = 'http://hl7.org/fhir/uv/sdc/CodeSystem/temp';

/** Finds what an action asks for, by its canonical. */
export type DefinitionFinder = (canonical: string) => Promise<Resource | undefined>;

/** A request that an action became, with what relates it to others. */
interface Made { readonly id: string; readonly actionIds: readonly string[]; readonly action: PlanDefinitionAction; readonly resource: Resource }

/**
 * The CarePlan that a PlanDefinition describes for a subject (http://hl7.org/fhir/R4/plandefinition-operation-apply.html): a draft with intent
 * `plan` that contains a request for each action with a definition, and a proposed Goal for each goal; an action without a
 * definition is an `activity.detail`. Actions whose condition does not hold are left out with those within. An order
 * between actions is an extension of the activity; nothing is stored.
 * @param find definitions by canonical; those that the plan contains (`#id`) are taken from it.
 * @throws Problem `invalid` naming what this service cannot carry out: a plan is applied whole or not at all.
 */
export async function carePlan(plan: PlanDefinition & Resource, setting: Setting, find: DefinitionFinder): Promise<Resource> {
  const contents = (plan.contained ?? []) as unknown as readonly Resource[];
  const application = new Application(setting, async (canonical) => (canonical.startsWith('#') ? contents.find(({ id }) => `#${id}` === canonical) : find(canonical)));
  await application.actions(plan.action ?? [], 'PlanDefinition', []);
  const goals = (plan.goal ?? []).map((goal, at) => application.goal(goal, at));
  const contained = [...goals.map(({ resource }) => resource), ...application.made.map(({ resource }) => resource)];
  const canonical = canonicalOf(plan);
  for (const { resource, action } of application.made) application.pursue(resource, action, goals);
  const activity = [...application.made.map((each) => application.activity(each)), ...application.details];
  return {
    resourceType: 'CarePlan',
    ...(contained.length === 0 ? {} : { contained }),
    ...(canonical === undefined ? {} : { instantiatesCanonical: [canonical] }),
    status: 'draft', intent: 'plan',
    ...(plan.title === undefined ? {} : { title: plan.title }),
    ...(plan.description === undefined ? {} : { description: plan.description }),
    subject: { reference: setting.subject },
    ...(setting.encounter === undefined ? {} : { encounter: { reference: setting.encounter } }),
    created: setting.now,
    ...(setting.practitioner ?? setting.organization) === undefined ? {} : { author: { reference: setting.practitioner ?? setting.organization } },
    ...(goals.length === 0 ? {} : { goal: goals.map(({ resource }) => ({ reference: `#${resource.id}` })) }),
    ...(activity.length === 0 ? {} : { activity }),
  };
}

interface ContainedGoal { readonly resource: Resource; readonly id: string | undefined }

class Application {
  readonly made: Made[] = [];
  readonly details: object[] = [];
  readonly #setting: Setting;
  readonly #find: DefinitionFinder;
  #count = 0;

  constructor(setting: Setting, find: DefinitionFinder) {
    this.#setting = setting;
    this.#find = find;
  }

  /** @param above ids of the actions that hold these: a relation to one of them is one to what it holds. */
  async actions(actions: readonly PlanDefinitionAction[], path: string, above: readonly string[]): Promise<void> {
    for (const [at, action] of actions.entries()) await this.#action(action, `${path}.action[${at}]`, above);
  }

  async #action(action: PlanDefinitionAction, path: string, above: readonly string[]): Promise<void> {
    if (++this.#count > mostActions) throw problem('invalid', 'too-costly', `A plan of at most ${mostActions} actions is applied.`, path);
    if (!this.#applies(action, path)) return;
    if (action.transform !== undefined) throw problem('invalid', 'not-supported', 'A transform is not carried out here.', `${path}.transform`);
    const actionIds = action.id === undefined ? above : [...above, action.id];
    const canonical = action.definitionCanonical ?? action.definitionUri;
    if (canonical !== undefined) await this.#defined(action, canonical, path, actionIds);
    else if (action.action === undefined) this.details.push({ detail: this.#detail(action, path) });
    await this.actions(action.action ?? [], path, actionIds);
  }

  /** Every condition of kind applicability is true: empty is not (http://hl7.org/fhir/R4/plandefinition-definitions.html#PlanDefinition.action.condition). */
  #applies({ condition = [] }: PlanDefinitionAction, path: string): boolean {
    return condition.every(({ kind, expression }, at) => {
      if (kind !== 'applicability') return true;
      const where = `${path}.condition[${at}]`;
      const values = valuesOf(expression, this.#setting, where);
      if (values.length > 1 || values.some(({ type }) => type !== 'boolean')) throw problem('invalid', 'value', 'A condition must be one boolean.', `${where}.expression`);
      return values[0]?.value === true;
    });
  }

  async #defined(action: PlanDefinitionAction, canonical: string, path: string, actionIds: readonly string[]): Promise<void> {
    const definition = await this.#find(canonical);
    if (definition === undefined) throw problem('invalid', 'not-found', 'The definition of this action is not stored here: an ActivityDefinition or a Questionnaire is looked for.', `${path}.definition`);
    const { title, description, priority, participant, dynamicValue } = action;
    const override = { path, title, description, priority, participant: participant as ActivityDefinition['participant'], dynamicValue, timing: timingOf(action) };
    const resource = definition.resourceType === 'Questionnaire'
      ? applied(completion(definition), this.#setting, path, override)
      : applied(definition, this.#setting, `${path}.definition`, override);
    if (definition.resourceType === 'Questionnaire') ask(resource, definition);
    const id = `activity-${this.made.length + 1}`;
    this.made.push({ id, actionIds, action, resource: { ...resource, id } });
  }

  #detail(action: PlanDefinitionAction, path: string): object {
    const timing = timingOf(action);
    if (timing !== undefined && timing.key !== 'Timing' && timing.key !== 'Period') throw problem('invalid', 'not-supported', 'The timing of an action without a definition must be a Timing or a Period.', `${path}.timing`);
    const description = action.description ?? action.title ?? action.textEquivalent;
    return {
      ...(action.code?.[0] === undefined ? {} : { code: action.code[0] }),
      ...(action.reason === undefined ? {} : { reasonCode: action.reason }),
      status: 'not-started',
      ...(timing === undefined ? {} : { [`scheduled${timing.key}`]: timing.value }),
      ...(description === undefined ? {} : { description }),
    };
  }

  /** An activity with the order that its action has to others: an element that R4 keeps in RequestGroup only. */
  activity({ id, action }: Made): object {
    const related = (action.relatedAction ?? []).flatMap(({ actionId, relationship, offsetDuration, offsetRange }) =>
      this.made.filter(({ actionIds }) => actionIds.includes(actionId)).map((other) => ({
        url: extensionUrl('related-activity'),
        extension: [
          { url: 'activity', valueReference: { reference: `#${other.id}` } }, { url: 'relationship', valueCode: relationship },
          ...(offsetDuration === undefined ? [] : [{ url: 'offset', valueDuration: offsetDuration }]), ...(offsetRange === undefined ? [] : [{ url: 'offset', valueRange: offsetRange }]),
        ],
      })));
    return { ...(related.length === 0 ? {} : { extension: related }), reference: { reference: `#${id}` } };
  }

  goal({ id, description, category, priority, start, addresses, target }: PlanDefinitionGoal, at: number): ContainedGoal {
    return { id, resource: {
      resourceType: 'Goal', id: `goal-${at + 1}`, lifecycleStatus: 'proposed', description, subject: { reference: this.#setting.subject },
      ...(category === undefined ? {} : { category: [category] }), ...(priority === undefined ? {} : { priority }),
      ...(start === undefined ? {} : { startCodeableConcept: start }),
      ...(addresses === undefined ? {} : { note: addresses.flatMap(({ text, coding }) => { const shown = text ?? coding?.[0]?.display; return shown === undefined ? [] : [{ text: `About: ${shown}` }]; }) }),
      ...(target === undefined ? {} : { target: target.map(({ due, detailQuantity, detailRange, detailCodeableConcept, measure }) => ({
        ...(measure === undefined ? {} : { measure }), ...(detailQuantity === undefined ? {} : { detailQuantity }), ...(detailRange === undefined ? {} : { detailRange }),
        ...(detailCodeableConcept === undefined ? {} : { detailCodeableConcept }), ...this.#due(due, at),
      })) }),
    } };
  }

  #due(due: NonNullable<PlanDefinitionGoal['target']>[number]['due'], at: number): object {
    if (due === undefined) return {};
    const date = shifted(this.#setting.now, due, 1);
    if (date === undefined) throw problem('invalid', 'value', 'due must have a value and a UCUM unit of time.', `PlanDefinition.goal[${at}].target.due`);
    return { dueDate: date.slice(0, 10) };
  }

  /** A Task says for which goal it is done. */
  pursue(resource: Resource, { goalId = [] }: PlanDefinitionAction, goals: readonly ContainedGoal[]): void {
    const goal = goals.find(({ id }) => id !== undefined && goalId.includes(id));
    if (resource.resourceType === 'Task' && goal !== undefined) resource['reasonReference'] = { reference: `#${goal.resource.id}` };
  }
}

/** A Task that asks for a form to be answered (http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-task). */
function completion({ title, description }: Resource): Resource {
  return {
    resourceType: 'ActivityDefinition', status: 'active', kind: 'Task', intent: 'plan', ...(title === undefined ? {} : { title }), ...(title === undefined && description !== undefined ? { description } : {}),
    code: { coding: [{ system: sdcTask, code: 'complete-questionnaire' }] },
  };
}

function ask(task: Resource, questionnaire: Resource): void {
  const canonical = canonicalOf(questionnaire);
  const input = (task['input'] ?? []) as object[];
  task['input'] = [{ type: { coding: [{ system: sdcTask, code: 'questionnaire' }] }, valueCanonical: canonical }, ...input];
}
