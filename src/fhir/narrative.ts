export function narrativeFault(_div: string): string | undefined { return undefined; }
