import endingCheck from '../../schemas/code-systems/ending-check.json' with { type: 'json' };
import { codeSystem } from '../fhir/canonical.ts';
import { endingRule, type Check, type CheckCode, type CheckState } from './ending.ts';
import type { Words } from './observations.ts';
import { explanation, number, reference, type Part } from './parts.ts';
import { counted, dayOf, outOf } from './plain-words.ts';

/** The checklist of an ending in words, for clinicians and for clients: an ending is talked about by both. */

const display = new Map(endingCheck.concept.map(({ code, display: text }) => [code, text]));

/** @returns the part of one line of the list. */
export function checkPart(check: Check): Part {
  const { code, state, references, scale, last } = check;
  return {
    name: 'check',
    part: [
      { name: 'code', valueCoding: { system: codeSystem('ending-check'), code, display: display.get(code) } },
      { name: 'state', valueCode: state },
      ...(scale === undefined ? [] : [{ name: 'scale', valueCodeableConcept: { coding: scale.codings, text: scale.definition.title } }]),
      ...(last === undefined ? [] : [number('last', last.value), { name: 'date', valueDate: last.date }]),
      ...references.map((each) => reference('resource', each)),
      explanation(endingRule.id, endingRule.version, wordsOf(check), references),
    ],
  };
}

function wordsOf({ code, state, references, scale, last }: Check): Words {
  if (code === 'final-score' && scale !== undefined && last !== undefined) {
    const told = `${outOf(scale, last.value)} on ${dayOf(last.date)}`;
    return state === 'done'
      ? { clinician: `${scale.definition.title}: ${told}, near the last session and on another day than the baseline.`, client: `${scale.instrument.definition.shortTitle}: you have answered it for the end (${dayOf(last.date)}).` }
      : { clinician: `${scale.definition.title}: the last score is ${told}. One from 14 days before the last session on, on another day than the baseline, shows where the therapy ended.`, client: `${scale.instrument.definition.shortTitle}: the last time was ${dayOf(last.date)}. Answering it once more shows where you stand at the end.` };
  }
  if (state === 'unknown') return unseen;
  const found = words[code][state] ?? words[code].done!;
  return { clinician: found.clinician.replaceAll('{n}', counted(references.length, 'entry', 'entries')), client: found.client.replaceAll('{n}', counted(references.length, 'entry', 'entries')) };
}

/** What an access does not show is not said to be in order. */
const unseen: Words = { clinician: 'This access does not show what would have to be looked at.', client: 'This app cannot see what would have to be looked at. Your therapist can.' };

const words: Readonly<Record<CheckCode, Partial<Record<CheckState, Words>>>> = {
  'alert': {
    open: { clinician: 'An alert is not closed ({n}). The episode can be ended once its review is completed and its Flag is inactive.', client: 'Your care team is still looking at something that you answered. The therapy goes on until that is done.' },
    done: { clinician: 'No alert is open.', client: 'There is nothing that your care team still has to look at.' },
  },
  'final-score': {
    open: { clinician: 'No score of an outcome scale in this episode: nothing shows how it went.', client: 'There are no answers to a form from this time that could be looked at together.' },
    done: { clinician: 'There is a score at the end.', client: 'There are answers for the end.' },
  },
  'questionnaire': {
    open: { clinician: 'Questionnaires wait for an answer ({n}): ask for it, or withdraw them.', client: 'Some forms are still open ({n}). Answer what you like to answer.' },
    done: { clinician: 'No questionnaire waits for an answer.', client: 'No form is open.' },
  },
  'homework': {
    open: { clinician: 'Homework is open ({n}): complete it, carry it over into the time afterwards, or withdraw it.', client: 'Something that you agreed to try is still open ({n}). You can decide together what becomes of it.' },
    done: { clinician: 'No homework is open.', client: 'Nothing that you agreed to try is open.' },
  },
  'homework-review': {
    open: { clinician: 'Completed homework was not talked about in a session ({n}).', client: 'Something that you did has not been talked about yet ({n}).' },
    done: { clinician: 'No completed homework waits to be talked about.', client: 'Nothing that you did waits to be talked about.' },
  },
  'goal': {
    open: { clinician: 'Of goals it is not said how far they were attained ({n}).', client: 'For some of your goals you have not said yet where you stand ({n}).' },
    done: { clinician: 'Of every goal it is said how far it was attained.', client: 'For each of your goals it is said where you stand.' },
    'not-applicable': { clinician: 'No goal is written down.', client: 'No goals are written down.' },
  },
  'blueprint': {
    open: { clinician: 'There is no plan for afterwards: a completed therapy blueprint with early signs, what to do in a rough patch, and when to come back.', client: 'You have not written down yet what you take with you and what helps in a rough patch. It can be useful to do that together.' },
    done: { clinician: 'There is a plan for afterwards.', client: 'You have a plan for afterwards.' },
  },
  'alliance': {
    open: { clinician: 'A drop in the rating of the work together did not come back, or a request to talk about it is open ({n}).', client: 'There may be something about how you worked together that is worth talking about before you part.' },
    done: { clinician: 'No drop in the rating of the work together is left open.', client: 'Nothing about how you work together is left open.' },
    'not-applicable': { clinician: 'The work together was not rated in this episode.', client: 'How you work together was not asked.' },
  },
  'feedback': {
    open: { clinician: 'What the client said about the sessions waits for a response ({n}).', client: 'What you said about the sessions still waits for a response ({n}).' },
    done: { clinician: 'No feedback waits for a response.', client: 'Nothing that you said about the sessions waits for a response.' },
  },
  'session': {
    open: { clinician: 'Sessions or appointments are planned or under way ({n}): hold them, or cancel them.', client: 'There are sessions or appointments still to come ({n}).' },
    done: { clinician: 'No session is planned or under way.', client: 'No session is planned.' },
  },
  'follow-up': {
    open: { clinician: 'No check-in after the end is agreed. Often there is one after 1, 3, 6 and 12 months; the client may stop at any time.', client: 'You have not agreed on check-ins for the time afterwards. You may have some, and you may stop them at any time.' },
    done: { clinician: 'Check-ins after the end are agreed ({n}).', client: 'Check-ins for the time afterwards are agreed ({n}).' },
  },
};
