// Owns: what a server's SQLSTATE means for a batch.
import { SinkError, type SinkErrorCode } from "@holdfast/pipelines/sink";
import { codeOf, faultOf } from "../faults.ts";
import { Refusal } from "../parts.ts";

/** By code, then by class. */
const MEANINGS: Readonly<Record<string, SinkErrorCode | "row">> = {
  // Data, constraints, triggers: some row is at fault.
  "21000": "row",
  "22": "row",
  "23": "row",
  P0001: "row",
  "54000": "row",
  "54001": "row",
  // Conflicts with others, and limits of the server.
  "40": "busy",
  "53": "busy",
  "55P03": "busy",
  "57014": "timeout",
  // It starts, stops, or became a standby.
  "08": "unavailable",
  "57P": "unavailable",
  "25006": "unavailable",
  // Names, rights, passwords.
  "28": "refused",
  "3D": "refused",
  "3F": "refused",
  "42": "refused",
};

/** Whether the table is not what it was when its columns were read. */
export const isOtherTable = (code: string | undefined): boolean =>
  code !== undefined && /^42(703|804|P01|P10)$/.test(code);

/** A refusal of rows, or the error to throw. Texts of servers hold values: they stay here. */
export function meaningOf(error: unknown): Refusal | SinkError {
  const state = stateOf(error);
  if (state === undefined) return faultOf(error, "the database is out of reach");
  const meaning = MEANINGS[state] ?? MEANINGS[state.slice(0, 3)] ?? MEANINGS[state.slice(0, 2)];
  if (meaning === "row") return new Refusal(`the database refused it (${state})`);
  return new SinkError(meaning ?? "internal", `the database refused the statement (${state})`);
}

/** Five characters of SQLSTATE. */
export function stateOf(error: unknown): string | undefined {
  const { errno } = (error ?? {}) as { readonly errno?: unknown };
  for (const one of [errno, codeOf(error)])
    if (typeof one === "string" && /^[0-9A-Z]{5}$/.test(one) && /\d/.test(one)) return one;
  return undefined;
}
