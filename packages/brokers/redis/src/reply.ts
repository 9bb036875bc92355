// Owns: answers of servers, as values that are checked when they are read.

/**
 * What a server answers. Bulk strings are buffers, which may be views into the received chunk: copy
 * them to keep them.
 */
export type Reply = string | number | null | Buffer | ReplyError | readonly Reply[];

/** An argument: text is sent as UTF-8, numbers as decimal text. */
export type Argument = string | number | Buffer;

/**
 * A server refused a command. `code` is the first word of its answer (`NOSCRIPT`, `MOVED`), which
 * is part of the protocol; the rest is for people.
 */
export class ReplyError extends Error {
  readonly code: string;
  constructor(line: string) {
    super(line);
    this.name = "ReplyError";
    this.code = line.split(" ", 1)[0] ?? "ERR";
  }
}

/** A server, or a peer that writes into the same keys, sent something that cannot be read. */
export class ReplyFault extends Error {
  readonly code = "reply_invalid";
}

// Reading replies: each takes a value and checks it.

export const textOf = (reply: Reply | undefined): string =>
  Buffer.isBuffer(reply)
    ? reply.toString()
    : typeof reply === "string"
      ? reply
      : fault("text", reply);

export const numberOf = (reply: Reply | undefined): number => {
  const value = typeof reply === "number" ? reply : Number(textOf(reply));
  return Number.isFinite(value) ? value : fault("a number", reply);
};

export const listOf = (reply: Reply | undefined): readonly Reply[] =>
  Array.isArray(reply) ? reply : fault("a list", reply);

export const bytesOf = (reply: Reply | undefined): Buffer =>
  Buffer.isBuffer(reply) ? reply : fault("bytes", reply);

function fault(expected: string, found: Reply | undefined): never {
  throw new ReplyFault(
    `Cannot read a reply: found ${found === null ? "nil" : typeof found}, expected ${expected}`,
  );
}
