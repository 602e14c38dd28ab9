/**
 * A computation that takes longer than others should wait: it stops at each `yield`, a few milliseconds after the one before, and who
 * runs it decides whether somebody else is served meanwhile. What it returns is the result.
 */
export type Pieces<T> = Generator<undefined, T>;
