// Owns: the error of the programs for the cluster: a message for people.

/** What is missing or wrong, as "Cannot <act>: <found>, expected <wanted>". */
export class ClusterError extends Error {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "ClusterError";
  }
}
