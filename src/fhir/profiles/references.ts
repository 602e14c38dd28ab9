import type { Profile, Rule } from './rules.ts';

/** What else a profile names that a check by it has to know. */
export interface Named {
  /** Profiles that an element, an extension or what a discriminator looks at has to meet. */
  readonly profiles: ReadonlySet<string>;
  /** Profiles of which only the type decides: targets of references. */
  readonly targets: ReadonlySet<string>;
  readonly valueSets: ReadonlySet<string>;
}

/** @returns the canonicals in all rules of `profile`. */
export function namedBy({ root }: Profile): Named {
  const named = { profiles: new Set<string>(), targets: new Set<string>(), valueSets: new Set<string>() };
  const open: Rule[] = [root];
  for (let rule = open.pop(); rule !== undefined; rule = open.pop()) {
    for (const { profiles, targets } of rule.types ?? []) {
      for (const canonical of profiles) named.profiles.add(canonical);
      for (const canonical of targets) named.targets.add(canonical);
    }
    if (rule.slicing?.discriminators.some(({ type }) => type === 'profile') === true) for (const slice of rule.slices) for (const { targets } of slice.types ?? []) for (const canonical of targets) named.profiles.add(canonical);
    if (rule.binding !== undefined) named.valueSets.add(rule.binding.valueSet);
    open.push(...rule.children.values(), ...rule.slices);
  }
  return named;
}
