// Owns: the error of this example. Its message is for people, and says what to do.
export class ExampleError extends Error {
  readonly code: "port_unavailable" | "not_started" | "not_in_time" | "refused";

  constructor(code: ExampleError["code"], message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "ExampleError";
    this.code = code;
  }
}
