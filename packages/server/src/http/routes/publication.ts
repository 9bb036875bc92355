// Owns: how a publication looks in answers of the HTTP API.
import type { Publication } from "@holdfast/protocol";
import { z } from "zod";
import { membersOf } from "../json.ts";
import { dataOut, offset, timeMs } from "../schemas.ts";

export const publicationOut = z.object({
  offset,
  timeMs,
  key: z.string().optional(),
  user: z.string().optional(),
  session: z.string().optional(),
  ...dataOut,
});

export function publicationShown({ payload, offset: at, timeMs: ms, ...rest }: Publication) {
  const { key, user, session } = rest;
  return { offset: at, timeMs: ms, key, user, session, ...membersOf(payload) };
}
