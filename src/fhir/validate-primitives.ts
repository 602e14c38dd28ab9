/** A primitive type: what its JSON value may be (http://hl7.org/fhir/R4/datatypes.html#primitive). */
export interface Primitive {
  readonly json: 'string' | 'number' | 'boolean';
  /** @returns whether a value of the right JSON type is a value of this type. */
  valid(value: never): boolean;
  /** What would be right, to follow "must be". */
  readonly text: string;
  /** Ids and Extension.url carry no extensions, so they have no `_name` sibling. */
  readonly bare?: true;
}

const maximumString = 1_048_576;
const maximumInteger = 2_147_483_647;

const datePattern = /^(\d{4})(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12]\d|3[01]))?)?$/;
const dateTimePattern = /^(\d{4}-\d\d-\d\d)T(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d{1,18})?(?:Z|[+-](?:(?:0\d|1[0-3]):[0-5]\d|14:00))$/;
const timePattern = /^(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d{1,18})?$/;
const idPattern = /^[A-Za-z0-9\-.]{1,64}$/;
const spacedCode = /^[^\s]+(?:\s[^\s]+)*$/;
const oidPattern = /^urn:oid:[0-2](?:\.(?:0|[1-9]\d*))+$/;
const uuidPattern = /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const mimeTypePattern = /^(?:xml|json|ttl)$|^[!#$%&'*+\-.^_`|~A-Za-z0-9]+\/[!#$%&'*+\-.^_`|~A-Za-z0-9]+\s*(?:;.*)?$/;
const scriptScheme = /^(?:javascript|vbscript):/i;

const isText = (value: string): boolean => value.length > 0 && value.length <= maximumString;

/** @returns whether `value` is a date that the calendar has, to the year, month or day. */
export function isDate(value: string): boolean {
  const match = datePattern.exec(value);
  if (match === null || match[1] === '0000') return false;
  return match[3] === undefined || Number(match[3]) <= daysIn(Number(match[1]), Number(match[2]));
}

function daysIn(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** @returns whether `value` is a full date with time, seconds and time zone. */
export function isInstant(value: string): boolean {
  const match = dateTimePattern.exec(value);
  return match !== null && isDate(match[1] ?? '');
}

/** @returns whether `value` can be an id: `.` and `..` match the pattern of the type but could never be read back from a URL. */
export function isId(value: string): boolean {
  return idPattern.test(value) && value !== '.' && value !== '..';
}

function isUri(value: string): boolean {
  return isText(value) && !/\s/.test(value) && !scriptScheme.test(value);
}

function isBase64(value: string): boolean {
  const compact = /\s/.test(value) ? value.replace(/\s+/g, '') : value;
  if (compact.length === 0 || compact.length % 4 !== 0) return false;
  const padding = compact.endsWith('==') ? 2 : compact.endsWith('=') ? 1 : 0;
  return !/[^A-Za-z0-9+/]/.test(padding === 0 ? compact : compact.slice(0, -padding));
}

const text = (valid: (value: string) => boolean, right: string): Primitive => ({ json: 'string', valid, text: right });
const whole = (low: number, high: number): Primitive => ({
  json: 'number',
  valid: (value: number) => Number.isInteger(value) && value >= low && value <= high,
  text: `a whole number from ${low} to ${high}`,
});

const string = text(isText, 'a string of 1 to 1048576 characters');
const uri = text(isUri, 'a URI without white space that is not a script');
const id = text(isId, 'an id: 1 to 64 of A-Z, a-z, 0-9, "-" and "."');

/** By type name. `mimetype` stands for codes bound to BCP 13, which cannot be listed; FHIR itself adds `xml`, `json` and `ttl`. */
export const primitives: ReadonlyMap<string, Primitive> = new Map<string, Primitive>(Object.entries({
  'boolean': { json: 'boolean', valid: () => true, text: 'true or false' },
  'integer': whole(-maximumInteger - 1, maximumInteger),
  'unsignedInt': whole(0, maximumInteger),
  'positiveInt': whole(1, maximumInteger),
  'decimal': { json: 'number', valid: (value: number) => Number.isFinite(value), text: 'a decimal number' },
  string,
  'markdown': string,
  'code': text((value) => isText(value) && (/^\S+$/.test(value) || spacedCode.test(value)), 'a code: no white space at either end and single spaces within'),
  'mimetype': text((value) => mimeTypePattern.test(value), 'a MIME type such as "application/pdf"'),
  uri,
  'url': uri,
  'canonical': uri,
  'oid': text((value) => oidPattern.test(value), 'an OID such as "urn:oid:1.2.3"'),
  'uuid': text((value) => uuidPattern.test(value), 'a UUID such as "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"'),
  id,
  'date': text(isDate, 'a date that the calendar has: YYYY, YYYY-MM or YYYY-MM-DD'),
  'dateTime': text((value) => (value.length > 10 ? isInstant(value) : isDate(value)), 'YYYY, YYYY-MM, YYYY-MM-DD, or a date with hours, minutes, seconds and time zone such as "2026-02-07T13:28:17+01:00"'),
  'instant': text(isInstant, 'a date with hours, minutes, seconds and time zone such as "2026-02-07T13:28:17.239Z"'),
  'time': text((value) => timePattern.test(value), 'a time of day: hh:mm:ss'),
  'base64Binary': text(isBase64, 'base64'),
  'xhtml': { ...text((value) => value.length > 0, 'XHTML'), bare: true },
  'System.Id': { ...id, bare: true },
  'System.String': { ...string, bare: true },
  'System.Uri': { ...uri, bare: true },
} satisfies Record<string, Primitive>));
