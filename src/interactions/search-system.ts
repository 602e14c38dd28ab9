import { problem } from '../fhir/outcome.ts';
import { parseSystemSearch } from '../fhir/search-system.ts';
import { servedTypes } from '../fhir/types.ts';
import { grants } from '../fhir/visibility.ts';
import { accessRows } from './access-log.ts';
import type { Answer, Context } from './context.ts';
import type { Query } from './route.ts';
import { systemSearchInteraction } from './search.ts';

/** @returns the types that are searched without `_type`. @throws Problem `forbidden` where there is none. */
export function searchedTypes({ visibility }: Pick<Context, 'visibility'>): string[] {
  const types = servedTypes.filter((type) => type !== 'AuditEvent' && grants(visibility, type, 's'));
  if (types.length === 0) throw problem('forbidden', 'forbidden', 'This access does not allow to search any type.');
  return types;
}

/**
 * search-system (http://hl7.org/fhir/R4/http.html#search): over the types of `_type`, or over all that the caller may search.
 * AuditEvent is kept apart and is searched by itself.
 * @throws Problem as `parseSystemSearch` and `searchSeveral` do; `forbidden` for a caller who may search nothing.
 */
export async function systemSearch(context: Context, asked: Query): Promise<Answer> {
  const plan = parseSystemSearch(searchedTypes(context), asked, { handling: context.prefer.handling, baseUrl: context.baseUrl });
  const { patients, ...answer } = await systemSearchInteraction(context, plan, context.visibility);
  const query = plan.applied.map(([name, value]) => `${name}=${value}`).join('&');
  await context.audit.record(accessRows(context, { interaction: 'search-system', query, patients }));
  return answer;
}
