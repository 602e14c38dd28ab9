import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Client, Interaction, Provider } from 'oidc-provider';
import { launchScopes, type GrantedContext, type LaunchRequest } from '../auth/launch.ts';
import { isPassword } from '../auth/password.ts';
import type { UserEntry } from '../auth/user.ts';
import { formToken, readForm } from './authorization-form.ts';
import type { PatientEntry } from './authorization-pages.ts';
import { grantableToPeople, lifetimes } from './authorization-provider.ts';
import type { AuthorizationServerOptions } from './authorization-options.ts';

/** Wrong passwords for one name, and from one address, in a quarter of an hour; more are not even looked at. */
const mostFailures = { name: 10, address: 100 } as const;
const windowSeconds = 900;

/** One request to a page of a sign-in under way. */
interface Step {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly provider: Provider;
  readonly interaction: Interaction;
  readonly client: Client;
  readonly form: URLSearchParams | undefined;
  readonly query: URLSearchParams;
}

/** Whose record the app is for, as far as it is known. */
interface Subject { readonly user: UserEntry; readonly launch: LaunchRequest | undefined; readonly patient: PatientEntry | undefined; readonly needsPatient: boolean }

/**
 * The pages between an app's request and its answer: who are you, whose record is it, what may the app do. Nothing that a
 * form says is believed: which patient, which scopes are decided anew from the sign-in under way at every step.
 */
export class SignIn {
  readonly #options: AuthorizationServerOptions;

  constructor(options: AuthorizationServerOptions) {
    this.#options = options;
  }

  /** Answers a request to `/signin/:uid`. */
  async handle(provider: Provider, request: IncomingMessage, response: ServerResponse, uid: string, query: URLSearchParams): Promise<void> {
    const interaction = await provider.interactionDetails(request, response).catch(() => undefined);
    const client = interaction?.uid === uid ? await provider.Client.find(interaction.params['client_id'] ?? '') : undefined;
    if (interaction === undefined || client === undefined) return this.#refuse(response, 400, 'This sign-in has expired or was opened in another browser. Go back to the app and start again.');
    const form = request.method === 'POST' ? await readForm(request, this.#options.cookieKey, uid) : undefined;
    if (typeof form === 'number') return this.#refuse(response, form, 'The form could not be read. Go back to the app and start again.');
    const step: Step = { request, response, provider, interaction, client, form, query };
    if (form?.get('action') === 'cancel') return this.#fail(step, refusals.no);
    return interaction.prompt.name === 'login' ? this.#login(step) : this.#consent(step);
  }

  #refuse(response: ServerResponse, status: number, why: string): void {
    const { pages } = this.#options;
    pages.send(response, status, pages.views.refused({ why }));
  }

  /** Sends the browser back to the app with an error. */
  async #fail({ provider, request, response, client, interaction }: Step, [error, description]: readonly [string, string]): Promise<void> {
    await this.#options.audit({ kind: 'authorization', refused: true, client: client.clientId, reason: error, address: this.#options.address(request), ...person(await this.#userOf(interaction)) });
    await provider.interactionFinished(request, response, { error, error_description: description }, { mergeWithLastSubmission: false });
  }

  #page({ interaction, client }: Step): { action: string; csrf: string; app: string } {
    return { action: `${this.#options.issuer}/signin/${interaction.uid}`, csrf: formToken(this.#options.cookieKey, interaction.uid), app: client.clientName ?? client.clientId };
  }

  async #login(step: Step): Promise<void> {
    const { response, client, form } = step;
    const { pages, accounts, store, audit } = this.#options;
    const name = form?.get('name')?.slice(0, 200) ?? '';
    const show = (status: number, problem?: 'wrong' | 'too-many', more: Record<string, string> = {}): void =>
      { pages.send(response, status, pages.views.login({ ...this.#page(step), name, problem }), client.redirectUris, more); };
    if (form === undefined) return show(200);
    const keys = { name: `name ${name.toLowerCase()}`, address: `address ${this.#options.address(step.request)}` };
    const attempts = await Promise.all([store.attempt(keys.name, windowSeconds), store.attempt(keys.address, windowSeconds)]);
    const refused = { kind: 'login' as const, refused: true, client: client.clientId, address: this.#options.address(step.request) };
    if (attempts[0].failures > mostFailures.name || attempts[1].failures > mostFailures.address) {
      await audit({ ...refused, reason: 'too-many' });
      const seconds = Math.max(...attempts.map((attempt) => attempt.seconds));
      return show(429, 'too-many', { 'retry-after': String(seconds) });
    }
    const user = await accounts.userByName(name);
    if (!await isPassword(form.get('password') ?? '', user?.password) || user === undefined) {
      await audit({ ...refused, reason: 'password', ...person(user) });
      return show(401, 'wrong');
    }
    await Promise.all([store.forgetAttempts(keys.name), store.forgiveAttempt(keys.address)]);
    await audit({ ...refused, refused: false, ...person(user) });
    await step.provider.interactionFinished(step.request, response, { login: { accountId: user.id } }, { mergeWithLastSubmission: false });
  }

  async #userOf(interaction: Interaction): Promise<UserEntry | undefined> {
    const id = interaction.session?.accountId;
    return id === undefined ? undefined : this.#options.accounts.user(id);
  }

  async #consent(step: Step): Promise<void> {
    const user = await this.#userOf(step.interaction);
    if (user === undefined) return this.#fail(step, refusals.gone);
    const subject = await this.#subject(step, user);
    if (typeof subject === 'string') return this.#fail(step, refusals[subject]);
    if (subject.needsPatient && subject.patient === undefined) return this.#choosePatient(step, user);
    if (step.form?.get('action') === 'grant') return this.#grant(step, subject);
    return this.#askScopes(step, subject, false);
  }

  /** Whose record it is: the person's own, the one open at the EHR, or the one that was chosen. */
  async #subject({ interaction, client, form }: Step, user: UserEntry): Promise<Subject | keyof typeof refusals> {
    const { store, people } = this.#options;
    const { params } = interaction;
    const scopes = (params['scope'] ?? '').split(' ');
    const launchId = scopes.includes('launch') ? params['launch'] : undefined;
    const launch = launchId === undefined ? undefined : (await store.find('EhrLaunch', launchId)) as (LaunchRequest & { consumed?: number }) | undefined;
    if (launchId !== undefined && (launch === undefined || launch.consumed !== undefined)) return 'launch';
    if (launch?.client_id !== undefined && launch.client_id !== client.clientId) return 'launch';
    if (launch?.fhirUser !== undefined && launch.fhirUser !== user.fhirUser) return 'somebody';
    const [type, own] = user.fhirUser.split('/') as [string, string];
    const id = type === 'Patient' ? own : launch?.patient ?? form?.get('patient') ?? undefined;
    if (type === 'Patient' && launch?.patient !== undefined && launch.patient !== own) return 'record';
    const patient = id === undefined ? undefined : await people.find(user.fhirUser, id);
    if (id !== undefined && patient === undefined) return 'record';
    if (launch?.encounter !== undefined && !await people.isEncounter(user.fhirUser, patient!, launch.encounter)) return 'record';
    return { user, launch, patient, needsPatient: scopes.some((scope) => scope === 'launch/patient' || scope.startsWith('patient/')) };
  }

  async #choosePatient(step: Step, user: UserEntry): Promise<void> {
    const { pages, people, audit } = this.#options;
    const query = step.query.get('name')?.slice(0, 100) ?? '';
    const found = await people.list(user.fhirUser, query);
    await audit({ kind: 'patient-list', refused: false, client: step.client.clientId, ...person(user), patients: found.patients.map(({ rid }) => rid), address: this.#options.address(step.request) });
    pages.send(step.response, 200, pages.views.patients({ ...this.#page(step), user: user.name, query, ...found }), step.client.redirectUris);
  }

  /** What the app asks for and can have here, launch scopes apart. */
  #grantable({ interaction, client }: Step, { user, patient }: Subject): readonly string[] {
    return grantableToPeople(interaction.params['scope'] ?? '', client, { fhirUser: user.fhirUser, ...(patient === undefined ? {} : { patient: patient.id }) });
  }

  #askScopes(step: Step, subject: Subject, nothingChosen: boolean): void {
    const { pages, issuer } = this.#options;
    const requested = (step.interaction.params['scope'] ?? '').split(' ');
    const scopes = [...this.#grantable(step, subject), ...optional.filter((scope) => requested.includes(scope))];
    const { user, patient } = subject;
    pages.send(step.response, nothingChosen ? 400 : 200, pages.views.scopes({ ...this.#page(step), user: user.name, patient, isOwn: user.fhirUser.startsWith('Patient/'), scopes, logout: `${issuer}/logout`, nothingChosen }), step.client.redirectUris);
  }

  async #grant(step: Step, subject: Subject): Promise<void> {
    const { provider, request, response, interaction, client, form } = step;
    const { store, audience, audit } = this.#options;
    const { user, launch, patient } = subject;
    const ticked = new Set(form!.getAll('scope'));
    const requested = new Set((interaction.params['scope'] ?? '').split(' '));
    const resource = this.#grantable(step, subject).filter((scope) => ticked.has(scope));
    const about = launchScopes.filter((scope) => requested.has(scope) && ((optional as readonly string[]).includes(scope) ? ticked.has(scope) : isGiven(scope, subject)));
    if (resource.length === 0 && !about.includes('openid')) return this.#askScopes(step, subject, true);
    if (launch !== undefined && !await store.consume('EhrLaunch', interaction.params['launch']!)) return this.#fail(step, refusals.launch);
    const grant = new provider.Grant({ accountId: user.id, clientId: client.clientId });
    const granted = new Set<string>([...resource, ...about]);
    grant.addOIDCScope(about.join(' '));
    grant.addResourceScope(audience, [...granted].join(' '));
    const rest = [...requested].filter((scope) => !granted.has(scope));
    grant.rejectOIDCScope(rest.join(' '));
    grant.rejectResourceScope(audience, rest.join(' '));
    const grantId = await grant.save();
    const context: GrantedContext = {
      ...(patient === undefined ? {} : { patient: patient.id }),
      ...(launch?.encounter !== undefined && (granted.has('launch/encounter') || granted.has('launch')) ? { encounter: launch.encounter } : {}),
      needPatientBanner: launch?.need_patient_banner ?? true,
    };
    await store.keep('Launch', grantId, { ...context, grantId, accountId: user.id, clientId: client.clientId }, lifetimes.grant);
    await audit({ kind: 'authorization', refused: false, client: client.clientId, ...person(user), ...(patient === undefined ? {} : { patient: patient.id }), address: this.#options.address(request) });
    await provider.interactionFinished(request, response, { consent: { grantId } }, { mergeWithLastSubmission: true });
  }
}

/** Launch scopes that the person can withhold. */
const optional = ['openid', 'fhirUser', 'profile', 'offline_access', 'online_access'] as const;

/** Whether the context that a scope asks for is there. */
function isGiven(scope: string, { launch, patient }: Subject): boolean {
  switch (scope) {
    case 'launch': return launch !== undefined;
    case 'launch/patient': return patient !== undefined;
    case 'launch/encounter': return launch?.encounter !== undefined;
    default: return false;
  }
}

const refusals = {
  no: ['access_denied', 'the person said no'],
  gone: ['access_denied', 'the person is not known any more'],
  launch: ['invalid_request', 'the launch is not known, has expired, or was used'],
  somebody: ['access_denied', 'the launch was opened for somebody else'],
  record: ['access_denied', 'the record is not one that this person can share'],
} as const;

const person = (user: UserEntry | undefined): { fhirUser?: string } => (user === undefined ? {} : { fhirUser: user.fhirUser });
