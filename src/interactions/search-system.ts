import { problem } from '../fhir/outcome.ts';
import type { SearchOptions } from '../fhir/search-parse.ts';
import { parseSystemSearch, type SystemPlan } from '../fhir/search-system.ts';
import { servedType, servedTypes } from '../fhir/types.ts';
import { grants } from '../fhir/visibility.ts';
import { accessRows } from './access-log.ts';
import type { Answer, Context } from './context.ts';
import type { Query } from './route.ts';
import { systemSearchInteraction } from './search.ts';

/**
 * @param within only what belongs to a Patient's record.
 * @returns the types that are searched without `_type`.
 * @throws Problem `forbidden` where there is none.
 */
function searchedTypes({ visibility }: Pick<Context, 'visibility'>, within = false): string[] {
  const types = servedTypes.filter((type) => type !== 'AuditEvent' && (!within || servedType(type)?.access === 'patient') && grants(visibility, type, 's'));
  if (types.length === 0) throw problem('forbidden', 'forbidden', 'This access does not allow to search any type.');
  return types;
}

/** @returns what a search over several types asks for. @throws Problem as `parseSystemSearch` does. */
export const systemPlan = (context: Context, asked: Query, compartment?: SearchOptions['compartment']): SystemPlan =>
  parseSystemSearch(searchedTypes(context, compartment !== undefined), asked, { handling: context.prefer.handling, baseUrl: context.baseUrl, ...(compartment === undefined ? {} : { compartment }) });

/**
 * search-system (http://hl7.org/fhir/R4/http.html#search): over the types of `_type`, or over all that the caller may search.
 * AuditEvent is kept apart and is searched by itself.
 * @param compartment only in the record of one Patient: `GET Patient/x/*`.
 * @throws Problem as `parseSystemSearch` and `searchSeveral` do; `forbidden` for a caller who may search nothing.
 */
export async function systemSearch(context: Context, asked: Query, compartment?: SearchOptions['compartment']): Promise<Answer> {
  const plan = systemPlan(context, asked, compartment);
  const { patients, ...answer } = await systemSearchInteraction(context, plan, context.visibility);
  const query = plan.applied.map(([name, value]) => `${name}=${value}`).join('&');
  await context.audit.record(accessRows(context, { interaction: 'search-system', query, patients }));
  return answer;
}
