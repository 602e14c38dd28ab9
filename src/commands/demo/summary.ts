import { codeSystem, loinc } from '../../fhir/canonical.ts';
import { ask, type Caseload, type Loaded, type Send } from './load.ts';
import { courseOf, courses, type Course } from './courses.ts';
import { clientOf } from './people.ts';

/** What the service says about the caseload, read back from its API. */
export interface Computed {
  /** Clients by course, then by the class of their latest change: of the PHQ-9 and of the GAD-7. */
  readonly classes: Readonly<Record<'phq9' | 'gad7', ReadonlyMap<Course, ReadonlyMap<string, number>>>>;
  /** Goals by achievement status. */
  readonly goals: ReadonlyMap<string, number>;
  readonly flags: number;
  readonly reviews: number;
  /** Mean share of the homework that was due and done. */
  readonly homework: number;
}

interface Part { name: string; part?: Part[]; [value: string]: any }
const instruments = { '44261-6': 'phq9', '70274-6': 'gad7' } as const;

/** @returns where every client of the caseload stands, from `Patient/[id]/$progress`. */
export async function readBack(send: Send, { clients }: Caseload): Promise<Computed> {
  const classes = { phq9: new Map<Course, Map<string, number>>(), gad7: new Map<Course, Map<string, number>>() };
  const goals = new Map<string, number>();
  const rates: number[] = [];
  let flags = 0, reviews = 0, next = 1;
  const count = (counts: Map<string, number>, name: string): unknown => counts.set(name, (counts.get(name) ?? 0) + 1);
  const worker = async (): Promise<void> => {
    for (let number = next++; number <= clients; number = next++) {
      const { body } = await ask(send, `Patient/${clientOf(number).id}/$progress`);
      const course = courseOf(number);
      for (const { name, part = [] } of (body.parameter ?? []) as Part[]) {
        const within = (inner: string): Part | undefined => part.find((one) => one.name === inner);
        if (name === 'instrument') {
          const codes = (within('code')?.['valueCodeableConcept']?.coding ?? []) as { system: string; code: string }[];
          const instrument = codes.filter(({ system }) => system === loinc).map(({ code }) => instruments[code as keyof typeof instruments]).find((known) => known !== undefined);
          const given = within('change')?.part?.find((one) => one.name === 'class')?.['valueCodeableConcept']?.coding?.[0]?.code as string | undefined;
          if (instrument !== undefined && given !== undefined) {
            if (!classes[instrument].has(course)) classes[instrument].set(course, new Map());
            count(classes[instrument].get(course)!, given);
          }
        } else if (name === 'goal') count(goals, within('status')?.['valueCode'] as string);
        else if (name === 'homework') rates.push((within('completion-rate')?.['valueDecimal'] ?? within('completion-rate')?.['valueInteger'] ?? 0) as number);
        else if (name === 'alert' && String(within('resource')?.['valueReference']?.reference).startsWith('Flag/')) flags += 1;
        else if (name === 'alert') reviews += 1;
      }
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return { classes, goals, flags, reviews, homework: rates.reduce((sum, rate) => sum + rate, 0) / Math.max(rates.length, 1) };
}

const shownClasses = ['recovered', 'improved', 'unchanged', 'deteriorated', 'harmed'] as const;

/** @returns the summary as lines of text. */
export function summary(caseload: Caseload, loaded: Loaded, computed: Computed, seconds: number): string[] {
  const total = [...loaded.caseload.values()].reduce((sum, count) => sum + count, 0);
  const counts = [...loaded.caseload].toSorted(([, one], [, other]) => other - one).map(([type, count]) => `${type} ${count}`).join(', ');
  return [
    loaded.transactions === 1
      ? `Everything was there already: ${total} resources of ${caseload.clients} clients; nothing changed (${seconds.toFixed(1)} s).`
      : `Loaded ${caseload.clients} clients, 12 weeks, 6 therapists: ${total} resources in ${loaded.transactions} transactions, ${seconds.toFixed(1)} s.`,
    `  ${counts}`,
    '',
    ...classTable('PHQ-9', computed.classes.phq9),
    '',
    ...classTable('GAD-7', computed.classes.gad7),
    '',
    `Goals: ${[...computed.goals].toSorted(([, one], [, other]) => other - one).map(([status, count]) => `${count} ${status}`).join(', ')}`,
    `Homework that was due: ${Math.round(computed.homework * 100)} % completed on average`,
    `To be looked at: ${computed.flags} open Flag, ${computed.reviews} open review Task`,
  ];
}

function classTable(title: string, byCourse: ReadonlyMap<Course, ReadonlyMap<string, number>>): string[] {
  const row = (cells: readonly (string | number)[]): string => `  ${cells.map((cell, at) => (at === 0 ? String(cell).padEnd(14) : String(cell).padStart(13))).join('')}`;
  return [
    `${title}: course as written, and the class of the latest score against the baseline as the service computed it`,
    row(['course', 'clients', ...shownClasses]),
    ...courses.filter((course) => byCourse.has(course)).map((course) => {
      const classes = byCourse.get(course)!;
      return row([course, [...classes.values()].reduce((sum, count) => sum + count, 0), ...shownClasses.map((name) => classes.get(name) ?? 0)]);
    }),
  ];
}

/** @returns five requests worth trying, as lines for a shell. */
export function queries(baseUrl: string, now: string): string[] {
  const worse = `value-concept=${codeSystem('change-class')}%7Cdeteriorated`;
  const list: readonly [title: string, path: string][] = [
    ['Where one client stands: every number with its inputs, its rule and a plain sentence', 'Patient/demo-client-001/$progress?_pretty=true'],
    ['The curve of the PHQ-9 of one client', `Observation?patient=demo-client-001&code=${loinc}%7C44261-6&_sort=date&_elements=effectiveDateTime,valueInteger,interpretation`],
    ['The response that needs to be looked at, with its review Task', `Task?code=${codeSystem('task-type')}%7Csafety-review&status=requested&_include=Task:focus`],
    ['Who became reliably worse on either instrument, with the clients', `Observation?code=${codeSystem('progress-metric')}%7Creliable-change&${worse}&_include=Observation:patient&_count=10`],
    ['Homework of one therapist\'s clients that was accepted and is past due', `Task?status=accepted&due=eb${now}&patient.general-practitioner=Practitioner/demo-therapist-1&_count=10`],
  ];
  return list.flatMap(([title, path]) => [`# ${title}`, `curl -s -H "Authorization: Bearer $(npm run -s token)" '${baseUrl}/${path}'`]);
}

