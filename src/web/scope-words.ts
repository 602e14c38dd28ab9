/** What a resource type is to the people who are asked about it. */
const things: Readonly<Record<string, string>> = {
  Task: 'homework and other tasks', Questionnaire: 'questionnaires', QuestionnaireResponse: 'answers to questionnaires, check-ins and journals', Goal: 'goals', Observation: 'scores and observations',
  Patient: 'name, date of birth and contact details', RelatedPerson: 'relatives and other close people', Practitioner: 'names of therapists', PractitionerRole: 'roles of therapists', Organization: 'practices and clinics',
  CareTeam: 'care team', EpisodeOfCare: 'courses of therapy', Encounter: 'sessions', Appointment: 'appointments', Condition: 'conditions and diagnoses', CarePlan: 'therapy plan', ServiceRequest: 'referrals and orders',
  PlanDefinition: 'programme templates', ActivityDefinition: 'exercise templates', Communication: 'messages', CommunicationRequest: 'reminders', ClinicalImpression: 'clinical summaries', RiskAssessment: 'risk assessments',
  Flag: 'alerts', DetectedIssue: 'detected issues', Consent: 'consents', DocumentReference: 'documents', Binary: 'files', Group: 'groups', List: 'lists', Device: 'devices', Provenance: 'where entries come from',
  AuditEvent: 'who looked at the record', Subscription: 'notifications', Measure: 'measures', MeasureReport: 'progress reports', ObservationDefinition: 'what is measured',
};

const actions: Readonly<Record<string, string>> = { c: 'add', r: 'see', u: 'change', d: 'delete', s: 'see' };
const version1: Readonly<Record<string, string>> = { read: 'rs', write: 'cud', '*': 'cruds' };

/** Scopes about the person and the connection. */
const others: Readonly<Record<string, string>> = {
  openid: 'Know that it is you who signed in',
  fhirUser: 'Know which person of this service you are',
  profile: 'Know your profile at this service',
  offline_access: 'Stay connected when you are away, for 90 days after each use',
  online_access: 'Stay connected while you are signed in here',
};

/** `see, add and change` */
function list(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)!}`;
}

/**
 * @param scope a scope of SMART App Launch that was understood.
 * @param whose the record of a patient scope: `your` or a name with `’s`.
 * @returns what granting it means, in plain words that begin with a capital.
 */
export function scopeWords(scope: string, whose: string): string {
  const other = others[scope];
  if (other !== undefined) return other;
  const [, context = '', type = '', permission = '', query] = /^(patient|user|system)\/([^.]+)\.([^?]+)(?:\?(.*))?$/.exec(scope) ?? [];
  const letters = version1[permission] ?? permission;
  const verbs = list([...new Set(['r', 's', 'c', 'u', 'd'].filter((letter) => letters.includes(letter)).map((letter) => actions[letter]!))]);
  const thing = type === '*' ? 'everything' : things[type] ?? type;
  const where = context === 'patient' ? `in ${whose} record` : 'wherever you have access yourself';
  const limit = query === undefined ? '' : `, limited to ${decoded(query)}`;
  return `${verbs.charAt(0).toUpperCase()}${verbs.slice(1)} ${thing} ${where}${limit}`;
}

function decoded(query: string): string {
  return [...new URLSearchParams(query)].map(([name, value]) => `${name} ${value.split(/[|/#]/).at(-1)!}`).join(' and ');
}
