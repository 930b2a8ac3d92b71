// Regular expressions that administrators write, run on texts that customers write: no pair of them may stop the process.

/** A text longer than this is compared by its beginning. */
export const MAX_MATCHED_CHARS = 4_000;

export interface Pattern {
  test(text: string): boolean;
}

/** Compiles a pattern, or says why it cannot be used. */
export function compilePattern(source: string, ignoreCase: boolean): Pattern | { fault: string } {
  try {
    const expression = new RegExp(source, ignoreCase ? 'iu' : 'u');
    return { test: (text) => expression.test(text.slice(0, MAX_MATCHED_CHARS)) };
  } catch (error) {
    return { fault: `invalid pattern: ${(error as Error).message}` };
  }
}
