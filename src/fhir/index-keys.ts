import { hash } from 'node:crypto';

// A btree row holds at most a third of a page: longer values would make the write fail.
const longestFolded = 2000;
const longestExact = 1000;

const ascii = /^[ -~]*$/;

/**
 * Text as string parameters compare it: accents removed, case folded, white space collapsed
 * (http://hl7.org/fhir/R4/search.html#string). Folding what is folded changes nothing.
 */
export function stringFold(text: string): string {
  const folded = ascii.test(text)
    ? text.toLowerCase()
    : text.normalize('NFKD').toUpperCase().toLowerCase().normalize('NFKD').replace(/\p{M}+/gu, '').replaceAll('ς', 'σ');
  return folded.replace(/\s+/g, ' ').trim();
}

/** @returns `stringFold(text)` cut to what an index row can hold; a search value must be cut the same way. */
export function stringKey(text: string): string {
  const folded = stringFold(text);
  return folded.length * 3 <= longestFolded ? folded : cut(folded, longestFolded);
}

/**
 * @returns a code, unit or URL as index rows hold it: unchanged up to 1,000 bytes, a longer one by its start and its
 * SHA-256. A search value must be treated the same way.
 */
export function exactKey(text: string): string {
  if (text.length * 3 <= longestExact || Buffer.byteLength(text) <= longestExact) return text;
  return `${cut(text, longestExact - 65)}#${hash('sha256', text)}`;
}

const dialled = /^[\d\s()+./-]*\d[\d\s()+./-]*$/;

/**
 * @returns the value of a ContactPoint as it is compared: a number by its digits, anything else whatever its case
 * (http://hl7.org/fhir/R4/search.html#token leaves that to the server).
 */
export const contactKey = (text: string): string => (dialled.test(text) ? text.replace(/\D/g, '') : text.trim().toLowerCase());

function cut(text: string, bytes: number): string {
  if (Buffer.byteLength(text) <= bytes) return text;
  const start = new Uint8Array(bytes);
  const { read } = new TextEncoder().encodeInto(text, start);
  return text.slice(0, read);
}
