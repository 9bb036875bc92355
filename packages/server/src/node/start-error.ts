// Owns: the error that says why a node does not start.

export type StartErrorCode =
  | "contract_invalid"
  | "back_end_invalid"
  | "dependencies_failed"
  | "broker_unsuitable"
  | "broker_unavailable"
  | "auth_invalid"
  | "auth_missing"
  | "port_unavailable";

/** A node could not start; `problems` say what to change, one line each. Nothing is left open. */
export class StartError extends Error {
  readonly code: StartErrorCode;
  readonly problems: readonly string[];

  constructor(
    code: StartErrorCode,
    problems: readonly string[],
    options?: { readonly cause?: unknown },
  ) {
    super(problems.join("\n"), options);
    this.name = "StartError";
    this.code = code;
    this.problems = problems;
  }
}
