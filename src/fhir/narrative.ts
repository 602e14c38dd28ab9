import { namedCharacters } from './xhtml-entities.ts';

/**
 * Narrative.div: the XHTML that FHIR allows, read by a parser rather than searched for what is known to be bad
 * (http://hl7.org/fhir/R4/narrative.html#xhtml, constraints txt-1 and txt-2). What is not listed here is refused, so
 * script, forms, frames, objects, event attributes and style sheets need no list of their own.
 */
const namespace = 'http://www.w3.org/1999/xhtml';

const words = (list: string): ReadonlySet<string> => new Set(list.split(' '));

const elements = words(
  'div p br h1 h2 h3 h4 h5 h6 span a b i u s em strong small big tt sub sup code samp kbd var cite dfn q abbr acronym address bdo blockquote pre hr'
  + ' ins del strike font center ul ol li dl dt dd table caption colgroup col thead tfoot tbody tr th td img map area',
);
const anywhere = words('id class style title lang xml:lang dir align');
const cells = 'valign char charoff width height bgcolor nowrap';
const attributes: ReadonlyMap<string, ReadonlySet<string>> = new Map(Object.entries({
  a: 'href name rel rev type hreflang charset shape coords accesskey tabindex target',
  area: 'href nohref alt shape coords accesskey tabindex',
  img: 'src alt longdesc height width usemap ismap border hspace vspace',
  map: 'name',
  q: 'cite',
  blockquote: 'cite',
  ins: 'cite datetime',
  del: 'cite datetime',
  font: 'color size face',
  br: 'clear',
  hr: 'noshade size width',
  pre: 'width',
  ul: 'type compact',
  ol: 'type start compact',
  li: 'type value',
  table: 'border summary width cellspacing cellpadding frame rules bgcolor',
  colgroup: `span ${cells}`,
  col: `span ${cells}`,
  thead: cells,
  tbody: cells,
  tfoot: cells,
  tr: cells,
  th: `abbr axis headers scope rowspan colspan ${cells}`,
  td: `abbr axis headers scope rowspan colspan ${cells}`,
}).map(([element, list]) => [element, words(list)]));

const links = words('href cite longdesc src');
const linkSchemes = words('http https mailto tel ftp urn');
const imageSchemes = words('http https data');
const imageData = /^data:image\/(?:png|jpeg|gif|webp);base64,/i;
/** What makes a style run something, or hides that it does. */
const activeStyle = /expression\s*\(|@|\\|\/\*|javascript|behaviou?r|binding/i;
const styleImage = /url\s*\(\s*["']?([^)"']*)/gi;

const openTag = /<([A-Za-z][A-Za-z0-9]*)(?=[\s/>])/y;
const attribute = /\s+([A-Za-z_:][A-Za-z0-9_:.-]*)\s*=\s*(?:"([^"<]*)"|'([^'<]*)')/y;
const tagEnd = /\s*(\/?)>/y;
const closeTag = /<\/([A-Za-z][A-Za-z0-9]*)\s*>/y;
const entity = /&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|([A-Za-z][A-Za-z0-9]{1,31}));/g;

const notXhtml = 'div must be well-formed XHTML: one <div> element, tags closed in order, attributes in quotes, & written as &amp;, no references to characters that XHTML does not name';

/** @returns what is wrong with a narrative, or undefined. Takes time linear in its length. */
export function narrativeFault(div: string): string | undefined {
  return new Reader(div.trim()).read();
}

class Reader {
  readonly #xhtml: string;
  readonly #open: string[] = [];
  #at = 0;
  #content = false;

  constructor(xhtml: string) {
    this.#xhtml = xhtml;
  }

  read(): string | undefined {
    const { length } = this.#xhtml;
    if (!/^<div[\s/>]/.test(this.#xhtml)) return 'div must be one <div> element (txt-1).';
    while (this.#at < length) {
      const fault = this.#next();
      if (fault !== undefined) return fault;
      if (this.#open.length === 0 && this.#at < length) return `${notXhtml} (txt-1).`;
    }
    if (this.#open.length > 0) return `${notXhtml} (txt-1).`;
    return this.#content ? undefined : 'div must have some content that is not white space (txt-2).';
  }

  #next(): string | undefined {
    const xhtml = this.#xhtml;
    if (xhtml.startsWith('<!--', this.#at)) return this.#comment();
    if (xhtml.startsWith('</', this.#at)) {
      const name = this.#match(closeTag)?.[1];
      return name !== undefined && name === this.#open.pop() ? undefined : `${notXhtml} (txt-1).`;
    }
    if (xhtml[this.#at] === '<') return this.#tag();
    const end = xhtml.indexOf('<', this.#at);
    const text = xhtml.slice(this.#at, end === -1 ? xhtml.length : end);
    this.#at += text.length;
    const decoded = decode(text);
    if (decoded === undefined) return `${notXhtml} (txt-1).`;
    if (decoded.trim() !== '') this.#content = true;
    return undefined;
  }

  #comment(): string | undefined {
    const end = this.#xhtml.indexOf('--', this.#at + 4);
    if (end === -1 || this.#xhtml[end + 2] !== '>') return `${notXhtml} (txt-1).`;
    this.#at = end + 3;
    return undefined;
  }

  #tag(): string | undefined {
    const name = this.#match(openTag)?.[1];
    if (name === undefined) return `${notXhtml} (txt-1).`;
    if (!elements.has(name)) return 'div holds an element that is not basic XHTML: no scripts, forms, frames, objects or style sheets (txt-1).';
    const seen = new Set<string>();
    for (let found = this.#match(attribute); found !== null; found = this.#match(attribute)) {
      const attributeName = found[1] ?? '';
      if (seen.has(attributeName)) return `${notXhtml} (txt-1).`;
      seen.add(attributeName);
      const fault = faultOfAttribute(name, attributeName, found[2] ?? found[3] ?? '');
      if (fault !== undefined) return fault;
    }
    const end = this.#match(tagEnd);
    if (end === null) return `${notXhtml} (txt-1).`;
    if (this.#open.length === 0 && !seen.has('xmlns')) return `div must have xmlns="${namespace}" (txt-1).`;
    if (end[1] === '') this.#open.push(name);
    if (name === 'img') this.#content = true;
    return undefined;
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#xhtml);
    if (match !== null) this.#at = pattern.lastIndex;
    return match;
  }
}

function faultOfAttribute(element: string, name: string, written: string): string | undefined {
  const value = decode(written);
  if (value === undefined) return `${notXhtml} (txt-1).`;
  if (name === 'xmlns') return value === namespace ? undefined : `xmlns must be "${namespace}" (txt-1).`;
  if (!anywhere.has(name) && attributes.get(element)?.has(name) !== true) {
    return 'div holds an attribute that is not allowed on its element: no event handlers, no attributes outside basic XHTML (txt-1).';
  }
  if (name === 'style' && !isPassiveStyle(value)) {
    return 'A style must not run or hide anything: no expression(), @ rules, escapes or comments; url() for images only (txt-1).';
  }
  if (links.has(name) && !isSafeLink(value, name === 'src')) {
    return 'A link must be relative or use http, https, mailto, tel, ftp or urn; an image http, https or data:image (txt-1).';
  }
  return undefined;
}

function isPassiveStyle(style: string): boolean {
  return !activeStyle.test(style) && [...style.matchAll(styleImage)].every(([, image]) => isSafeLink(image ?? '', true));
}

/** Browsers ignore control characters and white space in a scheme, so they are taken out before it is looked at. */
function isSafeLink(value: string, isImage: boolean): boolean {
  // oxlint-disable-next-line no-control-regex -- these are the characters to take out
  const plain = value.replace(/[\u0000-\u0020\u007f-\u00a0]/g, '');
  const scheme = /^([^:/?#]*):/.exec(plain)?.[1]?.toLowerCase();
  if (scheme === undefined) return true;
  if (scheme === 'data') return isImage && imageData.test(plain);
  return (isImage ? imageSchemes : linkSchemes).has(scheme);
}

/** @returns the text that character references stand for, or undefined when an & is not part of one, or of one that XHTML does not have. */
function decode(text: string): string | undefined {
  if (!text.includes('&')) return text;
  if (text.replace(entity, '').includes('&')) return undefined;
  let known = true;
  const decoded = text.replace(entity, (_match, decimal?: string, hexadecimal?: string, name?: string) => {
    if (name !== undefined) {
      known &&= namedCharacters.has(name);
      return namedCharacters.get(name) ?? '';
    }
    const code = decimal === undefined ? Number.parseInt(hexadecimal ?? '0', 16) : Number(decimal);
    return code > 0 && code <= 0x10_ffff ? String.fromCodePoint(code) : ' ';
  });
  return known ? decoded : undefined;
}
