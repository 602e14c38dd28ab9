import { visibility } from '../auth/decide.ts';
import { parseScopes } from '../auth/scopes.ts';
import { parseSearch } from '../fhir/search-parse.ts';
import type { Visibility } from '../fhir/visibility.ts';
import type { Connection } from '../store/database.ts';
import { readNewest } from '../store/read.ts';
import { search } from '../store/search.ts';
import type { PatientEntry } from './authorization-pages.ts';

/** Most names on a page; who looks for somebody else types a name. */
const mostNames = 20;

/** What a person sees of records while choosing whose record an app is for: the names of those in their care, nobody else's. */
const seen = parseScopes('user/Patient.rs user/Encounter.rs');

function visibilityOf(fhirUser: string): Visibility {
  return visibility(Object.freeze({ client: 'authorization-server', subject: fhirUser, scopes: seen, fhirUser, tokenId: '', expires: 0 }));
}

/** The records that a person may hand to an app. */
export class People {
  readonly #database: Connection;

  constructor(database: Connection) {
    this.#database = database;
  }

  /** @returns the Patients in the person's care whose name begins with `name` (all for ''), and whether there are more. */
  async list(fhirUser: string, name: string): Promise<{ readonly patients: readonly PatientEntry[]; readonly more: boolean }> {
    const text = name.replaceAll(/[\\,$|]|\p{Cc}/gu, ' ').trim().slice(0, 100);
    const plan = parseSearch('Patient', [['_count', String(mostNames)], ['_sort', 'family'], ...(text === '' ? [] : [['name', text] as const])], { handling: 'strict' });
    const found = await search(this.#database, plan, visibilityOf(fhirUser));
    return { patients: found.matches.map(({ body, patient }) => entryOf(body, patient!)), more: found.next !== undefined };
  }

  /** @returns one Patient, if it is in the person's care or is the person. */
  async find(fhirUser: string, id: string): Promise<PatientEntry | undefined> {
    const row = await readNewest(this.#database, visibilityOf(fhirUser), 'Patient', id);
    return row?.body == null ? undefined : entryOf(row.body, row.patient!);
  }

  /** Whether an Encounter is one of this Patient that the person may see. */
  async isEncounter(fhirUser: string, patient: PatientEntry, id: string): Promise<boolean> {
    const row = await readNewest(this.#database, visibilityOf(fhirUser), 'Encounter', id);
    return row?.body != null && row.patient === patient.rid;
  }
}

interface Named { readonly id: string; readonly birthDate?: string; readonly name?: readonly { readonly use?: string; readonly text?: string; readonly family?: string; readonly given?: readonly string[] }[] }

function entryOf(body: string, rid: bigint): PatientEntry {
  const { id, name = [], birthDate } = JSON.parse(body) as Named;
  const chosen = name.find(({ use }) => use === 'usual') ?? name.find(({ use }) => use === 'official') ?? name[0];
  const words = chosen?.text ?? [...(chosen?.given ?? []), chosen?.family].filter((word) => word !== undefined).join(' ');
  return { id, rid, name: words === '' ? `Patient ${id}` : words, born: birthDate };
}
