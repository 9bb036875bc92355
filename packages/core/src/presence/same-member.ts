// Owns: whether a member has changed.
import { type Payload, samePayload } from "@holdfast/protocol";
import type { PresenceMember } from "../ports.ts";

const sameData = (a: Payload | undefined, b: Payload | undefined): boolean =>
  a === undefined || b === undefined ? a === b : samePayload(a, b);

/** Whether a member has the same user and the same data; undefined: there was none. */
export const sameMember = (a: PresenceMember | undefined, b: PresenceMember): boolean =>
  a !== undefined && a.user === b.user && sameData(a.data, b.data);
