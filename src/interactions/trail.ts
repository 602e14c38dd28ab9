import { openPage, sealPage, type PageContext } from './paging.ts';

/** Where a page begins, and where those before it began, the nearest last; `cut`: some that are further away are forgotten. */
interface Trail<Position> { readonly at: Position; readonly back: readonly Position[]; readonly cut?: true }

/** Characters of what a link remembers: it has to pass as a URL. */
const longest = 1500;

/**
 * The way that a client came through the pages of a search. Each link carries it, so that the way back is that of the pages as
 * they were entered, without a search in the other order; a very long way is forgotten from its beginning.
 */
export class PageTrail<Position> {
  readonly #context: PageContext;
  readonly #binding: string;
  readonly #here: Trail<Position> | undefined;

  /** @throws Problem `malformed` as `openPage` does. */
  constructor(context: PageContext, binding: string, token: string | null) {
    this.#context = context;
    this.#binding = `trail ${binding}`;
    this.#here = token === null ? undefined : openPage<Trail<Position>>(context, this.#binding, token);
  }

  /** Where this page begins; undefined: it is the first. */
  get position(): Position | undefined {
    return this.#here?.at;
  }

  /** @returns the token of the page that begins at `position`. */
  next(position: Position): string {
    const here = this.#here;
    let back = here === undefined ? [] : [...here.back, here.at];
    const kept = back.length;
    while (back.length > 0 && JSON.stringify(back).length > longest) back = back.slice(1);
    return this.#seal({ at: position, back, ...(here?.cut === true || back.length < kept ? { cut: true as const } : {}) });
  }

  /** @returns the token of the page before; null: that is the first page, which has none; undefined: there is none, or it is forgotten. */
  previous(): string | null | undefined {
    if (this.#here === undefined) return undefined;
    const { back, cut } = this.#here;
    const at = back.at(-1);
    if (at === undefined) return cut === true ? undefined : null;
    return this.#seal({ at, back: back.slice(0, -1), ...(cut === true ? { cut } : {}) });
  }

  #seal(trail: Trail<Position>): string {
    return sealPage(this.#context, this.#binding, trail);
  }
}
