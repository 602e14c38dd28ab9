import { problem } from '../fhir/outcome.ts';
import { parseSystemSearch } from '../fhir/search-system.ts';
import { servedTypes } from '../fhir/types.ts';
import { grants } from '../fhir/visibility.ts';
import { accessRows } from './access-log.ts';
import type { Answer, Context } from './context.ts';
import type { Query } from './route.ts';
import { systemSearchInteraction } from './search.ts';

/**
 * search-system (http://hl7.org/fhir/R4/http.html#search): over the types of `_type`, or over all that the caller may search.
 * AuditEvent is kept apart and is searched by itself.
 * @throws Problem as `parseSystemSearch` and `searchSeveral` do; `forbidden` for a caller who may search nothing.
 */
export async function systemSearch(context: Context, asked: Query): Promise<Answer> {
  const all = servedTypes.filter((type) => type !== 'AuditEvent' && grants(context.visibility, type, 's'));
  if (all.length === 0) throw problem('forbidden', 'forbidden', 'This access does not allow to search any type.');
  const plan = parseSystemSearch(all, asked, { handling: context.prefer.handling, baseUrl: context.baseUrl });
  const { patients, ...answer } = await systemSearchInteraction(context, plan, context.visibility);
  const query = plan.applied.map(([name, value]) => `${name}=${value}`).join('&');
  await context.audit.record(accessRows(context, { interaction: 'search-system', query, patients }));
  return answer;
}
