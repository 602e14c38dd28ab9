import { authorize } from '../auth/decide.ts';
import { parseJson } from '../fhir/json.ts';
import { problem } from '../fhir/outcome.ts';
import { parseReference } from '../fhir/references.ts';
import type { Resource } from '../fhir/resource.ts';
import { servedType } from '../fhir/types.ts';
import { validate } from '../fhir/validate.ts';
import { keepRelative, refuseErrors } from '../interactions/accept.ts';
import { accessRows } from '../interactions/access-log.ts';
import { etag } from '../interactions/answer.ts';
import type { Context } from '../interactions/context.ts';
import { readNewest, type VersionRow } from '../store/read.ts';
import type { Incoming } from '../store/unit.ts';
import type { Input } from './input.ts';
import type { Call } from './operation.ts';

/** What operations take from their input and from the store: every resource as the caller may see it, every patient noted for the access log. */
export class Given {
  readonly #context: Context;
  readonly #patients: (bigint | null)[] = [];

  constructor(context: Context) {
    this.#context = context;
  }

  /** @returns the newest version of a stored resource; undefined when it is not there for the caller. @throws Problem `forbidden` without the scope. */
  async row(type: string, id: string): Promise<VersionRow | undefined> {
    const row = await this.#newest(type, id);
    return row?.body === null ? undefined : row;
  }

  async #newest(type: string, id: string): Promise<VersionRow | undefined> {
    authorize(this.#context.visibility, type, 'r');
    const row = await readNewest(this.#context.database, this.#context.visibility, type, id);
    if (row !== undefined && row.body !== null) this.#patients.push(row.patient);
    return row;
  }

  /** The resource that the operation is called on. @throws Problem `not-found`; `gone` when it was deleted. */
  async instance(type: string, id: string): Promise<Incoming> {
    const row = await this.#newest(type, id);
    if (row === undefined) throw problem('not-found', 'not-found', `No such ${type}.`);
    if (row.body === null) throw problem('gone', 'deleted', `This ${type} was deleted.`, undefined, { etag: etag(row.version) });
    const { value, stored } = parseJson(row.body);
    return { value: value as Resource, stored };
  }

  /** The resource that a reference names. @throws Problem `invalid` when it is none of this store, or not there for the caller. */
  async referenced(reference: string, expression: string): Promise<Resource> {
    const parsed = parseReference(this.relative(reference));
    const row = parsed?.kind === 'relative' && servedType(parsed.type) !== undefined ? await this.row(parsed.type, parsed.id) : undefined;
    if (row === undefined) throw problem('invalid', 'not-found', 'The reference must be to a resource of this server, as Type/id.', expression);
    return JSON.parse(row.body!) as Resource;
  }

  /** @returns a stored resource that the service found itself, as far as the caller may see it. */
  async visible({ resourceType, id }: Resource): Promise<Resource | undefined> {
    const row = await this.row(resourceType, id!);
    return row === undefined ? undefined : (JSON.parse(row.body!) as Resource);
  }

  /** A resource that came with the request, checked. @throws Problem `malformed` when it is not valid. */
  resource(incoming: Incoming, type: string): Incoming {
    refuseErrors(validate(incoming.value, type));
    keepRelative(incoming, this.#context.baseUrl);
    return incoming;
  }

  /** @returns a URL below this service's base without it. */
  relative(reference: string): string {
    const { baseUrl } = this.#context;
    return reference.startsWith(`${baseUrl}/`) ? reference.slice(baseUrl.length + 1) : reference;
  }

  /** Notes the patients of rows that a search found. */
  note(rows: readonly { readonly patient: bigint | null }[]): void {
    this.#patients.push(...rows.map(({ patient }) => patient));
  }

  /** Writes the access log of the operation: one row for each patient whose record was read. */
  async log(call: Call): Promise<void> {
    await this.#context.audit.record(accessRows(this.#context, { interaction: `$${call.name}`, action: 'E', type: call.type, id: call.id, patients: this.#patients }));
  }
}

/** @returns the reference in an input that is a Reference, or a text that is one. @throws Problem `malformed` for anything else, or several. */
export function referenceOf(inputs: readonly Input[], name: string): { reference: string; expression: string } | undefined {
  const found = inputs.filter((input) => input.name === name);
  const [input] = found;
  if (input === undefined) return undefined;
  if (found.length > 1) throw problem('malformed', 'not-supported', `${name} is taken once.`, found[1]!.expression);
  const { reference } = (typeof input.value === 'object' && input.value !== null ? input.value : {}) as { reference?: unknown };
  const text = input.text ?? (typeof reference === 'string' ? reference : undefined);
  if (text === undefined || parseReference(text) === undefined) throw problem('malformed', 'value', `${name} must be a reference, as Type/id.`, input.expression);
  return { reference: text, expression: input.expression };
}
