// Owns: which commands of people were obeyed, so that their annotations go: a command that stays
// would be obeyed again for ever.
import { COMMANDS, type Commands, type Revision, type Status } from "@holdfast/operator";

/** Annotations that have done what they were written for. */
export function obeyed(
  { promote, abort, retry }: Commands,
  { stable, release, rejected }: Status,
  wished: Revision,
): readonly string[] {
  return [
    ...(promote !== undefined && isPromoted(promote) ? [COMMANDS.promote] : []),
    ...(abort !== undefined && release?.to !== abort && isAborted(abort) ? [COMMANDS.abort] : []),
    ...(retry !== undefined && !rejected.includes(retry) ? [COMMANDS.retry] : []),
  ];

  /** Or there is nothing to abort: it would meet a release to that revision much later. */
  function isAborted(revision: Revision): boolean {
    return rejected.includes(revision) || stable === revision || wished !== revision;
  }

  function isPromoted({ revision, step }: NonNullable<Commands["promote"]>): boolean {
    if (release?.to === revision) return step !== "all" && release.step > step - 1;
    return stable === revision || wished !== revision;
  }
}
