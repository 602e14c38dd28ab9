/** The wall clock: milliseconds since 1970. Times of resources come from the database instead. */
export const now = (): number => Date.now();
