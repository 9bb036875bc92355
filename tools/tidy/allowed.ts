// Owns: the exceptions from the style guide, each with its reason.

/** Files that may be longer than others. */
export const ALLOWED_LENGTH: readonly { readonly path: string; readonly linesMax: number; readonly because: string }[] = [];
