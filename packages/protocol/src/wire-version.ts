// Owns: the version of the wire and the fingerprint of what it is made of.

/**
 * `version` is the number in the subprotocol's name. `schema` is a hash of frames.ts and limits.ts
 * without comments and white space: a test compares it, so that a change of the wire is a decision.
 * Changed a frame? A change that an old peer would misread needs a new version; any other needs a
 * line in spec/protocol.md and a vector. Then put the hash that the test prints here.
 */
export const WIRE = { version: 1, schema: "dfe1b9e8243aa527" } as const;
