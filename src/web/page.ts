import { createHash } from 'node:crypto';

/** HTML that is known to be safe: made by `html`, with everything that was put into it escaped. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

const escaped = (value: string): string => value.replace(/[&<>"']/g, (character) => escapes[character]!);

type Part = string | Html | readonly Html[] | undefined | false;

const textOf = (part: Part): string => {
  if (part === undefined || part === false) return '';
  if (part instanceof Html) return part.text;
  return typeof part === 'string' ? escaped(part) : part.map(({ text }) => text).join('');
};

/** A template whose parts are text, and are escaped; only what was made by `html` itself goes in as it is. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(strings.map((string, at) => string + textOf(parts[at])).join(''));
}

const style = `
:root{color-scheme:light dark;--text:#1c2426;--muted:#4b585c;--ground:#fff;--line:#78878c;--accent:#0b5c6b;--on-accent:#fff;--alert:#a1260d}
@media(prefers-color-scheme:dark){:root{--text:#eef3f4;--muted:#b9c6ca;--ground:#151b1d;--line:#8a999e;--accent:#7fd3e2;--on-accent:#0c1a1d;--alert:#ffab99}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--text);font:1.0625rem/1.5 system-ui,sans-serif}
main{max-width:34rem;margin:0 auto;padding:2rem 1.25rem}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 1rem}
h2{font-size:1.125rem;margin:1.5rem 0 .5rem}
p{margin:0 0 1rem}
label{display:block;font-weight:600}
input[type=text],input[type=password],input[type=search]{width:100%;min-height:2.75rem;margin:.25rem 0 1rem;padding:.5rem .75rem;font:inherit;color:inherit;background:var(--ground);border:1px solid var(--line);border-radius:6px}
button{min-height:2.75rem;padding:.5rem 1.25rem;font:inherit;font-weight:600;color:var(--on-accent);background:var(--accent);border:2px solid var(--accent);border-radius:6px;cursor:pointer}
button.quiet{color:var(--accent);background:transparent}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
fieldset{margin:0 0 1.5rem;padding:0;border:0}
legend{padding:0;font-size:1.125rem;font-weight:600;margin-bottom:.5rem}
ul{list-style:none;margin:0 0 1.5rem;padding:0}
li{margin:0 0 .5rem}
li button{width:100%;text-align:left;font-weight:400;color:inherit;background:transparent;border:1px solid var(--line)}
li label{display:flex;gap:.75rem;font-weight:400;padding:.375rem 0}
li input{flex:none;width:1.375rem;height:1.375rem;margin:.125rem 0 0}
.row{display:flex;flex-wrap:wrap;gap:.75rem;margin:0 0 1rem}
.muted{color:var(--muted)}
.alert{margin:0 0 1rem;padding:.75rem 1rem;border-left:4px solid var(--alert);color:var(--alert);font-weight:600}
a{color:var(--accent)}
`;

/** For the Content-Security-Policy: nothing but this style applies. */
export const styleHash = `sha256-${createHash('sha256').update(style).digest('base64')}`;

/** @returns a whole page; `title` is what a screen reader says first. */
export function page(title: string, content: Html): string {
  return `<!doctype html>\n${html`<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${title} - Intersession</title><style>${new Html(style)}</style></head><body><main>${content}</main></body></html>`.text}\n`;
}
