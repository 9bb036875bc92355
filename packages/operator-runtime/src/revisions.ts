// Owns: revisions of templates that were hashed already. A hash takes 10 ms for a usual template,
// and a second for one of the largest. Each set is looked at once a second.
import { type Revision, revisionOf } from "@holdfast/operator";

/** Of one set. */
export class Revisions {
  #last: { readonly text: string; readonly revision: Revision } | undefined;
  readonly #of = new WeakMap<object, Revision>();

  /** Of the set's own template: its object is made anew with each look. The last one is kept. */
  ofText(template: unknown): Revision {
    const text = JSON.stringify(template) ?? "";
    if (this.#last?.text !== text) this.#last = { text, revision: revisionOf(template) };
    return this.#last.revision;
  }

  /** Of a template in a cache: kept as long as the object is. */
  ofObject(template: unknown): Revision {
    if (typeof template !== "object" || template === null) return revisionOf(template);
    const known = this.#of.get(template);
    if (known !== undefined) return known;
    const revision = revisionOf(template);
    this.#of.set(template, revision);
    return revision;
  }
}
