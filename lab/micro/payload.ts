// Owns: the message that every server publishes: an object of about 100 bytes as JSON.

/** About 100 bytes of JSON. */
export const payloadObject = (
  n: number,
): { readonly n: number; readonly room: string; readonly user: string; readonly text: string } => ({
  n,
  room: "lobby",
  user: "u-4711",
  text: "The quick brown fox jumps over the lazy dog, twice",
});
