/** Phrases by their words: a tree with one word a step. */
export interface PhraseIndex { readonly ends: boolean; readonly next: ReadonlyMap<string, PhraseIndex> }

interface Node { ends: boolean; next: Map<string, Node> }

/** Letters and digits without case and accents; everything else parts words, but for what nobody sees (soft hyphens, joiners). */
const wordsOf = (text: string): string[] => text.normalize('NFKD').replace(/[\p{M}\p{Cf}]+/gu, '').toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];

/** @returns the tree in which `matches` looks. */
export function phraseIndex(phrases: readonly string[]): PhraseIndex {
  const root: Node = { ends: false, next: new Map() };
  for (const phrase of phrases) {
    let node = root;
    for (const word of wordsOf(phrase)) {
      const known = node.next.get(word) ?? { ends: false, next: new Map() };
      node.next.set(word, known);
      node = known;
    }
    if (node !== root) node.ends = true;
  }
  return root;
}

/**
 * @returns whether one of the phrases stands in `text` as whole words. A look at each word, and from it along one branch of the
 * tree: time grows with the length of the text, times the longest phrase in words, whatever the text is.
 */
export function matches(index: PhraseIndex, text: string): boolean {
  const words = wordsOf(text);
  for (let at = 0; at < words.length; at += 1) {
    let node: PhraseIndex | undefined = index;
    for (let ahead = at; node !== undefined; ahead += 1) {
      if (node.ends) return true;
      node = ahead < words.length ? node.next.get(words[ahead]!) : undefined;
    }
  }
  return false;
}
