import { expect, test } from "bun:test";
import vectors from "../../../../spec/vectors/handoff.json";
import {
  readFromGateway,
  readFromPod,
  writeAttach,
  writeClose,
  writeCommit,
  writeDraft,
  writeHello,
  writeLeave,
  writeMessage,
  writeReady,
  writeSaved,
  writeSync,
} from "./handoff-messages.ts";

const readers = {
  pod: [readFromPod],
  gateway: [readFromGateway],
  both: [readFromPod, readFromGateway],
};
type From = keyof typeof readers;
const bytesOfHex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));

/** As the vectors write it. */
function plain(
  message: ReturnType<typeof readFromPod> | ReturnType<typeof readFromGateway>,
): unknown {
  if (message === undefined) return undefined;
  const { frame, state, ...rest } = message as { frame?: string | Uint8Array; state?: Uint8Array };
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
  return {
    ...rest,
    ...(frame === undefined
      ? {}
      : typeof frame === "string"
        ? { text: frame }
        : { base64: base64(frame) }),
    ...(state === undefined ? {} : { state: base64(state) }),
  };
}

// biome-ignore lint/suspicious/noExplicitAny: the shapes of the vectors differ
function written(message: any): Uint8Array {
  const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "base64"));
  const { index, up, early, state } = message;
  switch (message.type) {
    case "message":
      return writeMessage(index, message.text ?? bytes(message.base64), { up, early });
    case "close":
      return writeClose(index, message);
    case "commit":
      return writeCommit(up, state === undefined ? undefined : bytes(state));
    case "draft":
      return writeDraft(bytes(state));
    case "hello":
      return writeHello(message);
    case "attach":
      return writeAttach(message, bytes(state));
    case "saved":
      return writeSaved(up, message.down);
    case "leave":
      return writeLeave();
    case "ready":
      return writeReady();
    default:
      return writeSync();
  }
}

test.each(vectors.vectors)("$name is read and written", ({ from, hex, message }) => {
  for (const reader of readers[from as From])
    expect<unknown>(plain(reader(bytesOfHex(hex)))).toEqual(message);
  expect(Buffer.from(written(message)).toString("hex")).toBe(hex);
});

test.each(vectors.invalid)("$name is a fault", ({ from, hex }) => {
  for (const reader of readers[from as From]) expect(reader(bytesOfHex(hex))).toBeUndefined();
});

test("text messages are no messages of the protocol", () => {
  expect([readFromPod("x"), readFromGateway("x")]).toEqual([undefined, undefined]);
});
