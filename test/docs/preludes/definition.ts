// Owns: the contract around a sample that is a part of one.
import { backEnd, defineContract } from "@holdfast/contract";
import { z } from "zod";

declare const banned: ReadonlySet<string | undefined>;
declare function censor(data: unknown): unknown;

export const contract = defineContract({
  channels: {},
  // sample
});
export const uses = { banned, censor, backEnd, z };
