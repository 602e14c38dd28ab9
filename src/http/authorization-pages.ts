import type { ServerResponse } from 'node:http';
import type { Context } from 'oidc-provider';

/** A Patient as the list shows one. */
export interface PatientEntry {
  readonly id: string;
  readonly rid: bigint;
  readonly name: string;
  readonly born: string | undefined;
}

/** What every page with a form carries. */
export interface FormPage {
  readonly action: string;
  readonly csrf: string;
  /** Name of the app, as it was registered. */
  readonly app: string;
}

/** The pages, as HTML. What they are given is text: they escape it. */
export interface Views {
  /** The only style that a page has, for the Content-Security-Policy: `sha256-...`. */
  readonly styleHash: string;
  login(page: FormPage & { readonly name: string; readonly problem: 'wrong' | 'too-many' | undefined }): string;
  patients(page: FormPage & { readonly user: string; readonly patients: readonly PatientEntry[]; readonly query: string; readonly more: boolean }): string;
  scopes(page: FormPage & { readonly user: string; readonly patient: PatientEntry | undefined; readonly isOwn: boolean; readonly scopes: readonly string[]; readonly logout: string; readonly nothingChosen: boolean }): string;
  logout(page: { readonly form: string }): string;
  loggedOut(): string;
  refused(page: { readonly why: string }): string;
}

/** Sends the pages, with headers under which nothing but them runs. */
export class Pages {
  readonly views: Views;

  constructor(views: Views) {
    this.views = views;
  }

  /** @param targets URIs that a form of the page may lead to beside our own: browsers follow the policy through redirects. */
  headers(targets: readonly string[] = []): Record<string, string> {
    const sources = targets.filter((uri) => URL.canParse(uri)).map((uri) => new URL(uri)).map(({ protocol, origin }) => (/^https?:$/.test(protocol) ? origin : protocol));
    return {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'content-security-policy': `default-src 'none'; style-src '${this.views.styleHash}'; form-action ${[...new Set(["'self'", ...sources])].join(' ')}; base-uri 'none'; frame-ancestors 'none'`,
      'cross-origin-opener-policy': 'same-origin',
      'referrer-policy': 'same-origin',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
    };
  }

  send(response: ServerResponse, status: number, html: string, targets: readonly string[] = [], more: Record<string, string> = {}): void {
    response.writeHead(status, { ...this.headers(targets), ...more }).end(html);
  }

  /** The page that says why nothing more can be done here. */
  refused(context: Context, why: string): void {
    this.#put(context, this.views.refused({ why }));
  }

  logout(context: Context, form: string): void {
    this.#put(context, this.views.logout({ form }));
  }

  loggedOut(context: Context): void {
    this.#put(context, this.views.loggedOut());
  }

  #put(context: Context, html: string): void {
    const targets = (context.oidc?.client?.['postLogoutRedirectUris'] ?? []) as readonly string[];
    for (const [name, value] of Object.entries(this.headers(targets))) context.set(name, value);
    context.body = html;
  }
}
