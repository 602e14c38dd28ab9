import type { AllianceEvent } from './alliance-events.ts';
import { marks, shown } from './explain.ts';
import { metricTable } from './metrics.ts';
import type { Words } from './observations.ts';
import type { Scale } from './registry.ts';

/** What is said of a rating of the work together: about the two, never about one of them. */

/** @returns the sentences of an event. */
export function allianceWords(scale: Scale, event: AllianceEvent): Words {
  const { clinician, client } = event.metric === 'alliance-low' ? lowWords(scale, event) : ruptureWords(scale, event);
  const { version, verification } = metricTable[event.metric];
  return { clinician: `${clinician} Rule ${event.metric} ${version} (${marks[verification as keyof typeof marks]}). A reason to talk, not a mark for anybody.`, client };
}

const talk = 'It can help to say what would make the sessions fit you more; what you say is welcome.';

function lowWords({ definition: { title, alliance, max }, instrument }: Scale, { anchor, total, items }: Extract<AllianceEvent, { metric: 'alliance-low' }>): Words {
  const { total: whole, item } = alliance!.low!;
  const named = items.map((linkId) => instrument.definition.items.find((each) => each.linkId === linkId)?.text ?? linkId);
  const found = [
    ...(total ? [`the total of ${shown(anchor.value)} is ${operators[whole!.op]} ${shown(whole!.value)}`] : []),
    ...(items.length === 0 ? [] : [`${items.length === 1 ? 'one item is' : `${items.length} items are`} ${operators[item!.op]} ${shown(item!.value)} (${named.join('; ')})`]),
  ];
  return {
    clinician: `${title}, ${anchor.date}: ${found.join(', and ')}; the limit is ${marks[alliance!.verification]}.`,
    client: `On ${anchor.date} your ${instrument.definition.shortTitle} came to ${shown(anchor.value)} of ${shown(max)}. ${talk}`,
  };
}

const operators = { '<=': 'at most', '<': 'below' } as const;

function ruptureWords({ definition: { title }, instrument }: Scale, { anchor, rupture, state }: Extract<AllianceEvent, { metric: 'alliance-rupture' }>): Words {
  const { before, drop, reference, size, spreadOf, repairedBy, later } = rupture;
  const by = spreadOf.length === 0 ? 'the SD of the sample' : `the SD of the ${spreadOf.length} ratings before`;
  const since = {
    open: `${later.length === 0 ? 'No later rating' : later.length === 1 ? 'One later rating' : `${later.length} later ratings`} so far; a repair is a return to ${shown(before.value - reference)} or more within three.`,
    repaired: `Repaired on ${repairedBy?.date}: ${shown(repairedBy?.value ?? 0)} is back to within one SD of the rating before.`,
    unrepaired: `None of the three later ratings came back to ${shown(before.value - reference)} or more.`,
  }[state];
  return {
    clinician: `${title} went from ${shown(before.value)} (${before.date}) to ${shown(anchor.value)} (${anchor.date}), a drop of ${shown(drop)}: ${shown(drop / reference)} times ${shown(reference)}, ${by}; ${size} from ${size === 'major' ? 'two' : 'one'} on. ${since}`,
    client: `Your ${instrument.definition.shortTitle} was ${shown(before.value)} on ${before.date} and ${shown(anchor.value)} on ${anchor.date}.${state === 'repaired' ? ` By ${repairedBy!.date} it was near where it had been.` : ''} Working together goes up and down; talking about it often helps.`,
  };
}
