// Owns: the kinds of steps of the gateway's proof: more is allowed in some than in others.

/**
 * `drain`: nothing is lost, and nobody closed. `hang`: the same, but answers may take as long as a
 * server hangs. `death`: the profile's holes for servers that die. `restart`: of what stands before
 * the servers, which closes its clients.
 */
export type StepKind = "steady" | "drain" | "hang" | "death" | "restart";
