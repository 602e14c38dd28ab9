import type { AllianceEvent } from './alliance-events.ts';
import { nameForClient } from './client-words.ts';
import { ruleSentence } from './explain.ts';
import type { Words } from './observations.ts';
import { counted, dayOf, limitOf, marks, outOf, points, shown } from './plain-words.ts';
import type { Scale } from './registry.ts';

/** What is said of a rating of the work together: about the two, never about one of them. */

/** @returns the sentences of an event. */
export function allianceWords(scale: Scale, event: AllianceEvent): Words {
  const { clinician, client } = event.metric === 'alliance-low' ? lowWords(scale, event) : ruptureWords(scale, event);
  return { clinician: `${clinician} ${ruleSentence(event.metric)} A reason to talk, not a mark for anybody.`, client };
}

const talk = 'It can help to say what would make the sessions fit you more; what you say is welcome.';

function lowWords(scale: Scale, { anchor, total, items }: Extract<AllianceEvent, { metric: 'alliance-low' }>): Words {
  const { definition: { title, alliance }, instrument } = scale;
  const { total: whole, item } = alliance!.low!;
  const named = items.map((linkId) => instrument.definition.items.find((each) => each.linkId === linkId)?.text ?? `item ${scale.items.findIndex((each) => each.linkId === linkId) + 1}`);
  const found = [
    ...(total ? [`the total of ${shown(anchor.value)} is ${limitOf(whole!)}`] : []),
    ...(items.length === 0 ? [] : [`${counted(items.length, 'item is', 'items are')} ${limitOf(item!)} (${named.join('; ')})`]),
  ];
  return {
    clinician: `${title}, ${dayOf(anchor.date)}: ${found.join(', and ')} (limits: ${marks[alliance!.verification]}).`,
    client: `${nameForClient(scale)}, ${dayOf(anchor.date)}: ${outOf(scale, anchor.value)}. ${talk}`,
  };
}

function ruptureWords(scale: Scale, { anchor, rupture, state }: Extract<AllianceEvent, { metric: 'alliance-rupture' }>): Words {
  const { before, drop, reference, size, spreadOf, repairedBy, later } = rupture;
  const by = spreadOf.length === 0 ? 'the standard deviation (SD) of the sample' : `the standard deviation (SD) of the ${spreadOf.length} ratings before`;
  const since = {
    open: `${later.length === 0 ? 'No later rating' : later.length === 1 ? 'One later rating' : `${later.length} later ratings`} so far; a repair is a return to ${shown(before.value - reference)} or more within three sessions.`,
    repaired: `Repaired on ${dayOf(repairedBy?.date ?? '')}: ${shown(repairedBy?.value ?? 0)} is back to within one SD of the rating before.`,
    unrepaired: later.length === 0 ? 'There is no rating in the three sessions after.' : `Within three sessions ${later.length === 1 ? 'the one later rating did not come' : `none of the ${later.length} later ratings came`} back to ${shown(before.value - reference)} or more.`,
  }[state];
  return {
    clinician: `${scale.definition.title} went from ${shown(before.value)} (${dayOf(before.date)}) to ${shown(anchor.value)} (${dayOf(anchor.date)}), a drop of ${points(drop)}. That is ${shown(drop / reference)} times ${shown(reference)}, ${by}: ${size} (${size === 'major' ? 'from two times on' : 'from one to two times'}). ${since}`,
    client: `${nameForClient(scale)}: ${shown(before.value)} on ${dayOf(before.date)}, ${shown(anchor.value)} on ${dayOf(anchor.date)}.${state === 'repaired' ? ` By ${dayOf(repairedBy!.date)} it was near where it had been.` : ''} Working together goes up and down; talking about it often helps.`,
  };
}
