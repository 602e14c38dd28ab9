/** PHQ-9 and GAD-7 answers as clients send them. */

const loinc = 'http://loinc.org';
const options = ['LA6568-5', 'LA6569-3', 'LA6570-1', 'LA6571-9'];
export const phq9Items = ['44250-9', '44255-8', '44259-0', '44254-1', '44251-7', '44258-2', '44252-5', '44253-3', '44260-8'];
export const gad7Items = ['69725-0', '68509-9', '69733-4', '69734-2', '69735-9', '69689-8', '69736-7'];

/** A PHQ-9 response with these item scores (0 to 3), of `patient`, answered at `authored`. */
export function phq9(patient: string, scores: readonly number[], authored: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return response('https://intersession.example/fhir/Questionnaire/phq-9', phq9Items, patient, scores, authored, more);
}

/** A GAD-7 response. */
export function gad7(patient: string, scores: readonly number[], authored: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return response('https://intersession.example/fhir/Questionnaire/gad-7', gad7Items, patient, scores, authored, more);
}

function response(questionnaire: string, items: readonly string[], patient: string, scores: readonly number[], authored: string, more: Record<string, unknown>): Record<string, unknown> {
  return {
    resourceType: 'QuestionnaireResponse',
    questionnaire,
    status: 'completed',
    subject: { reference: `Patient/${patient}` },
    authored,
    item: items.map((code, at) => ({ linkId: `/${code}`, answer: [{ valueCoding: { system: loinc, code: options[scores[at]!] } }] })),
    ...more,
  };
}

/** Nine scores that add up to `total`, item 9 answered 0. */
export function spread(total: number, items = 9, last = 0): number[] {
  const scores = Array.from({ length: items }, () => 0);
  scores[items - 1] = last;
  let rest = total - last;
  if (rest > 3 * (items - 1)) throw new RangeError(`${items - 1} items cannot add up to ${rest}`);
  for (let at = 0; rest > 0; at = (at + 1) % (items - 1)) {
    if (scores[at]! < 3) {
      scores[at]!++;
      rest--;
    }
  }
  return scores;
}
