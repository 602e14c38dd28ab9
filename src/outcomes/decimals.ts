/** @returns `value` without the noise of binary fractions: 9.1 + 8.2 is 17.3, and from 16.9 to 10.9 it is 6. */
export const exact = (value: number): number => (Number.isInteger(value) ? value : Math.round(value * 1e9) / 1e9);
