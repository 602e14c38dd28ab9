import { html, page, styleHash, type Html } from './page.ts';
import { scopeWords } from './scope-words.ts';

interface Form { readonly action: string; readonly csrf: string; readonly app: string }
interface Person { readonly id: string; readonly name: string; readonly born: string | undefined }

const hidden = (csrf: string): Html => html`<input type="hidden" name="csrf" value="${csrf}">`;
const alert = (text: string): Html => html`<p class="alert" role="alert" id="problem">${text}</p>`;
const no = html`<button class="quiet" name="action" value="cancel" formnovalidate>Cancel and go back</button>`;

const problems = {
  wrong: 'The name or the password is not right. Please try again.',
  'too-many': 'There were too many attempts. Please wait a quarter of an hour and try again.',
} as const;

function login({ action, csrf, app, name, problem }: Form & { readonly name: string; readonly problem: keyof typeof problems | undefined }): string {
  return page(problem === undefined ? 'Sign in' : 'Sign in: please try again', html`
    <h1>Sign in</h1>
    <p>The app <strong>${app}</strong> asks for access. Sign in first; then you choose what it may do.</p>
    ${problem !== undefined && alert(problems[problem])}
    <form method="post" action="${action}">${hidden(csrf)}
      <label for="name">Name</label>
      <input id="name" name="name" type="text" value="${name}" autocomplete="username" autocapitalize="none" spellcheck="false" required${problem !== undefined && html` aria-describedby="problem"`}>
      <label for="password">Password</label>
      <input id="password" name="password" type="password" autocomplete="current-password" required${problem !== undefined && html` aria-describedby="problem"`}>
      <div class="row"><button name="action" value="login">Sign in</button>${no}</div>
    </form>`);
}

const bornOn = ({ born }: Person): string => (born === undefined ? '' : `, born ${born}`);

function patients({ action, csrf, app, user, patients: people, query, more }: Form & { readonly user: string; readonly patients: readonly Person[]; readonly query: string; readonly more: boolean }): string {
  const listed = people.map((person) => html`<li><button name="patient" value="${person.id}">${person.name}${bornOn(person)}</button></li>`);
  const none = query === '' ? 'Nobody is in your care at the moment, so there is no record that this app could be opened with.' : 'Nobody in your care has a name that begins like this.';
  return page('Choose a client', html`
    <h1>Whose record is it?</h1>
    <p><strong>${app}</strong> works with the record of one client. You are signed in as ${user}.</p>
    <form method="get" action="${action}" role="search">
      <label for="name">Find a client by name</label>
      <input id="name" name="name" type="search" value="${query}" autocomplete="off">
      <button class="quiet">Find</button>
    </form>
    <h2 id="clients">Clients in your care</h2>
    <form method="post" action="${action}">${hidden(csrf)}
      ${people.length === 0 ? html`<p role="status">${none}</p>` : html`<ul aria-labelledby="clients">${listed}</ul>`}
      ${more && html`<p class="muted" role="status">There are more. Type a name to find somebody else.</p>`}
      <div class="row">${no}</div>
    </form>`);
}

interface ScopesPage extends Form {
  readonly user: string;
  readonly patient: Person | undefined;
  readonly isOwn: boolean;
  readonly scopes: readonly string[];
  readonly logout: string;
  readonly nothingChosen: boolean;
}

function scopes({ action, csrf, app, user, patient, isOwn, scopes: asked, logout, nothingChosen }: ScopesPage): string {
  const whose = isOwn || patient === undefined ? 'your' : `${patient.name}’s`;
  const boxes = asked.map((scope, at) => html`<li><label for="scope-${String(at)}"><input id="scope-${String(at)}" type="checkbox" name="scope" value="${scope}" checked><span>${scopeWords(scope, whose)}</span></label></li>`);
  return page(nothingChosen ? 'Choose at least one permission' : 'Choose what the app may do', html`
    <h1>What may ${app} do?</h1>
    ${nothingChosen && alert('Choose at least one permission, or cancel.')}
    <p>${patient !== undefined && !isOwn && html`It is about the record of <strong>${patient.name}</strong>${bornOn(patient)}. `}You are signed in as ${user}. The app can never do more than you may yourself.</p>
    <form method="post" action="${action}">${hidden(csrf)}${patient !== undefined && html`<input type="hidden" name="patient" value="${patient.id}">`}
      <fieldset><legend>Untick what you do not want</legend>
      ${asked.length === 0 ? html`<p>The app asks for nothing that can be granted here.</p>` : html`<ul>${boxes}</ul>`}
      </fieldset>
      <div class="row"><button name="action" value="grant">Allow what is ticked</button>${no}</div>
    </form>
    <p class="muted">Somebody else? <a href="${logout}">Sign out</a>, then start again in the app.</p>`);
}

/** @param form of the authorization server's library: a form without a button, with the id `op.logoutForm`. */
function logout({ form }: { readonly form: string }): string {
  const action = /action="([^"]*)"/.exec(form)?.[1] ?? '';
  const secret = /name="xsrf" value="([^"]*)"/.exec(form)?.[1] ?? '';
  return page('Sign out', html`
    <h1>Sign out?</h1>
    <p>Apps that are connected only while you are signed in lose their access.</p>
    <form method="post" action="${action}"><input type="hidden" name="xsrf" value="${secret}">
      <div class="row"><button name="logout" value="yes">Sign out</button></div>
    </form>`);
}

function loggedOut(): string {
  return page('Signed out', html`<h1>You are signed out</h1><p>You can close this page.</p>`);
}

function refused({ why }: { readonly why: string }): string {
  return page('This did not work', html`<h1>This did not work</h1><p role="alert">${why}</p><p>Nothing was shared.</p>`);
}

/** The pages of the authorization server (`src/http/authorization-pages.ts` says what each is given). */
export const signInViews = { styleHash, login, patients, scopes, logout, loggedOut, refused };
