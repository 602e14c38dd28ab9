const token = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/g;

/**
 * Indents JSON text without parsing it, so that numbers keep their written form.
 * @param text valid JSON.
 */
export function prettyJson(text: string): string {
  let out = '';
  let depth = 0;
  let open = false; // the last token opened an object or array that may turn out empty
  const line = (): string => `\n${'  '.repeat(depth)}`;
  for (const [part] of text.matchAll(token)) {
    if (part === '}' || part === ']') {
      depth--;
      out += open ? part : line() + part;
      open = false;
      continue;
    }
    if (open) out += line();
    open = false;
    if (part === '{' || part === '[') {
      out += part;
      depth++;
      open = true;
    } else if (part === ',') out += part + line();
    else if (part === ':') out += ': ';
    else out += part;
  }
  return `${out}\n`;
}
