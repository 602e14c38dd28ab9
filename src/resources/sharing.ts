import { audience, sharing } from '../fhir/labels.ts';
import type { Resource } from '../fhir/resource.ts';

interface Coding { readonly system?: string; readonly code?: string }
interface FormItem { readonly linkId?: string; readonly answerOption?: readonly { valueCoding?: Coding }[]; readonly item?: readonly FormItem[] }
interface AnsweredItem { readonly linkId?: string; readonly answer?: readonly { valueCoding?: Coding }[]; readonly item?: readonly AnsweredItem[] }

function find<T extends { readonly item?: readonly T[] }>(items: readonly T[] | undefined, fits: (item: T) => boolean): T | undefined {
  for (const item of Array.isArray(items) ? (items as readonly T[]) : []) {
    const found = fits(item) ? item : find(item.item, fits);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * What a client chose to share of an entry, as a security label: a form that asks (an item with answers of the code system
 * `sharing`) is answered privately unless the answer says otherwise, so that an entry is never shared by an omission.
 * @returns the code, or undefined when the form does not ask.
 */
export function sharedBy(response: Resource, questionnaire: Resource | undefined): string | undefined {
  const asks = find(questionnaire?.['item'] as FormItem[] | undefined, ({ answerOption }) => answerOption?.some(({ valueCoding }) => valueCoding?.system === sharing) === true);
  if (asks === undefined) return undefined;
  const answered = find(response['item'] as AnsweredItem[] | undefined, ({ linkId }) => linkId === asks.linkId);
  return answered?.answer?.[0]?.valueCoding?.code ?? 'private';
}

/**
 * Labels an entry with what its client shares of it. In a patient's own access a restricted resource is the client's own,
 * so it is kept for the client and not for the clinicians.
 * @returns `resource` itself when nothing is to be said.
 */
export function withSharing(resource: Resource, questionnaire: Resource | undefined, byPatient: boolean): Resource {
  const asked = resource.resourceType === 'QuestionnaireResponse' ? sharedBy(resource, questionnaire) : undefined;
  const { restricted, private: kept } = audience(resource);
  const code = asked ?? (byPatient && restricted && !kept ? 'private' : undefined);
  if (code === undefined) return resource;
  const others = (resource.meta?.security ?? []).filter(({ system }) => system !== sharing);
  return { ...resource, meta: { ...resource.meta, security: [...others, { system: sharing, code }] } };
}
