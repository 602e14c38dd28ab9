import type { Issue, IssueCode } from './outcome.ts';

const maximumIssues = 100;

/** Where a validation is and what it found. The path is two stacks, so that a valid resource costs no strings. */
export class Findings {
  readonly issues: Issue[] = [];
  /** Nothing more is looked for: a limit was reached. */
  full = false;
  readonly #names: string[] = [];
  readonly #indexes: number[] = [];

  get depth(): number {
    return this.#names.length;
  }

  /** @param index position in an array, -1 for a single value. */
  enter(name: string, index: number): void {
    this.#names.push(name);
    this.#indexes.push(index);
  }

  leave(): void {
    this.#names.pop();
    this.#indexes.pop();
  }

  /** Reports on the present element, or on `element` in it. */
  report(code: IssueCode, text: string, element = '', severity: Issue['severity'] = 'error'): void {
    this.reportAt(code, text, this.expression(element), severity);
  }

  reportElement(name: string, index: number, code: IssueCode, text: string): void {
    this.report(code, text, index === -1 ? name : `${name}[${index}]`);
  }

  reportAt(code: IssueCode, text: string, expression: string, severity: Issue['severity'] = 'error'): void {
    if (this.full) return;
    this.issues.push({ severity, code, text, ...(expression === '' ? {} : { expression }) });
    if (this.issues.length >= maximumIssues) this.full = true;
  }

  stop(code: IssueCode, text: string): void {
    this.report(code, text);
    this.full = true;
  }

  /** @returns the FHIRPath of the present element, or of `element` in it. */
  expression(element: string): string {
    const steps = this.#names.map((name, depth) => (this.#indexes[depth] === -1 ? name : `${name}[${this.#indexes[depth]}]`));
    return (element === '' ? steps : [...steps, element]).join('.');
  }
}
