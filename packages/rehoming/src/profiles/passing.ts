// Owns: a session of which nothing is known: its frames pass as they are.
import type { Frame } from "../frame.ts";
import type { ProfileOut, ProfileSession, Saved } from "../profile.ts";

export const passing = (out: ProfileOut): ProfileSession => new Passing(out);

class Passing implements ProfileSession {
  readonly #out: ProfileOut;

  constructor(out: ProfileOut) {
    this.#out = out;
  }

  get isQuiet(): boolean {
    return true;
  }

  get bytes(): number {
    return 0;
  }

  fromClient(frame: Frame): void {
    this.#out.toUpstream(frame);
  }

  fromUpstream(frame: Frame): void {
    this.#out.toClient(frame);
  }

  attach(): void {
    this.#out.attached();
  }

  fromNext(): void {}

  switched(): void {}

  save(): Saved {
    return [];
  }
}
