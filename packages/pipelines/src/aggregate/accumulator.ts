// Owns: what every aggregate is made of: an accumulator that adds, merges, and can be saved.

/**
 * What an accumulator's state is as plain JSON. Numbers in it are finite; `load` of what `save`
 * said gives an accumulator that goes on exactly alike.
 */
export type Saved =
  | null
  | boolean
  | number
  | string
  | readonly Saved[]
  | { readonly [member: string]: Saved };

export interface Accumulator {
  /** Bytes that it takes, roughly. Constant but for sketches and kept values. */
  readonly bytes: number;
  /** `input` is what the aggregate's `check` let through; `timeMs` the event time. */
  add(input: never, timeMs: number): void;
  /** The other has seen later input, where order matters. It is not used afterwards. */
  merge(other: this): void;
  value(): unknown;
  save(): Saved;
}
