import { canonicalBase, loinc } from '../../fhir/canonical.ts';
import type { Resource } from '../../fhir/resource.ts';
import type { Calendar } from './calendar.ts';
import { randomFrom } from './random.ts';

/** All of it is made up: the tag says so to whoever meets it. */
export const meta = { tag: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: 'HTEST', display: 'test health data' }] };

export const therapists = 6;
const organization = { reference: 'Organization/demo-practice', display: 'Practice by the River' };
const givenNames = ['Alma', 'Bela', 'Cleo', 'Dario', 'Edda', 'Farid', 'Gwen', 'Hana', 'Imre', 'Jona', 'Kaya', 'Levin', 'Mira', 'Noor', 'Oda', 'Pavel', 'Rosa', 'Sami', 'Tove', 'Yuna'];
const familyNames = ['Abel', 'Brook', 'Castell', 'Dahl', 'Ember', 'Fields', 'Grove', 'Hill', 'Ives', 'Jordan', 'Kerr', 'Lund', 'Marsh', 'North', 'Ortega', 'Penn', 'Rivers', 'Stone', 'Thorn', 'Vale', 'Wells'];

const identifier = (kind: string, value: string): object[] => [{ system: `${canonicalBase}/NamingSystem/demo-${kind}`, value }];
const padded = (number: number): string => String(number).padStart(3, '0');

/** Who a client is in references: `Patient/demo-client-001`, with the therapist. */
export interface Client {
  readonly number: number;
  readonly id: string;
  readonly patient: { readonly reference: string };
  readonly therapist: { readonly reference: string };
  readonly episode: { readonly reference: string };
  readonly name: { readonly given: string; readonly family: string };
}

const therapistOf = (client: number): number => ((client - 1) % therapists) + 1;

/** @param number counted from 1. */
export function clientOf(number: number): Client {
  const id = `demo-client-${padded(number)}`;
  const random = randomFrom(`${id} name`);
  return {
    number, id,
    patient: { reference: `Patient/${id}` },
    therapist: { reference: `Practitioner/demo-therapist-${therapistOf(number)}` },
    episode: { reference: `EpisodeOfCare/${id}` },
    name: { given: random.pick(givenNames), family: random.pick(familyNames) },
  };
}

/** The practice and its therapists. */
export function directory(): Resource[] {
  const members = Array.from({ length: therapists }, (_, at) => at + 1).flatMap((number): Resource[] => {
    const id = `demo-therapist-${number}`;
    const name = { family: familyNames[(number * 5) % familyNames.length], given: [givenNames[(number * 3) % givenNames.length]] };
    return [
      { resourceType: 'Practitioner', id, meta, identifier: identifier('therapist', id), active: true, name: [{ use: 'official', ...name }] },
      {
        resourceType: 'PractitionerRole', id, meta, identifier: identifier('therapist', id), active: true,
        practitioner: { reference: `Practitioner/${id}` }, organization, code: [{ text: 'Psychotherapist' }],
      },
    ];
  });
  return [{ resourceType: 'Organization', id: 'demo-practice', meta, identifier: identifier('organization', 'demo-practice'), active: true, name: organization.display }, ...members];
}

/** What is there after the first meeting: the person, the episode, the care team, the goals. */
export function intake(client: Client, { date }: Calendar): Resource[] {
  const { id, patient, therapist, name } = client;
  const random = randomFrom(`${id} person`);
  const start = date(-4);
  return [
    {
      resourceType: 'Patient', id, meta, identifier: identifier('client', id), active: true,
      name: [{ use: 'official', family: name.family, given: [name.given] }],
      gender: random.pick(['female', 'male', 'other', 'unknown']),
      birthDate: `${random.whole(1958, 2004)}-${String(random.whole(1, 12)).padStart(2, '0')}-${String(random.whole(1, 28)).padStart(2, '0')}`,
      managingOrganization: organization, generalPractitioner: [therapist],
    },
    {
      resourceType: 'EpisodeOfCare', id, meta, identifier: identifier('episode', id), status: 'active', patient, managingOrganization: organization,
      period: { start }, careManager: therapist, team: [{ reference: `CareTeam/${id}` }],
    },
    {
      resourceType: 'CareTeam', id, meta, identifier: identifier('care-team', id), status: 'active', name: 'Therapy', subject: patient, period: { start },
      participant: [{ role: [{ text: 'Therapist' }], member: therapist, onBehalfOf: organization }, { role: [{ text: 'Client' }], member: patient }],
      managingOrganization: [organization],
    },
    ...goals(client, date),
  ];
}

/** One goal on each score: the first as a bare number or with a comparator in turn, the second always with one. A fourth of them have a date. */
function goals({ id, number, patient }: Client, date: Calendar['date']): Resource[] {
  const goal = (name: string, code: string, display: string, text: string, detail: object): Resource => ({
    resourceType: 'Goal', id: `${id}-${name}`, meta, identifier: identifier('goal', `${id}-${name}`), lifecycleStatus: 'active',
    description: { text }, subject: patient, startDate: date(-4), expressedBy: patient,
    target: [{ measure: { coding: [{ system: loinc, code, display }] }, ...detail, ...(number % 4 === 0 ? { dueDate: date(56) } : {}) }],
  });
  return [
    goal('mood', '44261-6', 'Patient Health Questionnaire 9 item (PHQ-9) total score [Reported]', 'I want to enjoy weekends with my friends again',
      number % 2 === 0 ? { detailInteger: 9 } : { detailQuantity: { value: 10, comparator: '<' } }),
    goal('calm', '70274-6', 'Generalized anxiety disorder 7 item (GAD-7) total score [Reported.PHQ]', 'I want to fall asleep without going through the next day',
      { detailQuantity: { value: 7, comparator: '<=' } }),
  ];
}

/** @returns a business identifier of the demonstration. */
export const demoIdentifier = identifier;
