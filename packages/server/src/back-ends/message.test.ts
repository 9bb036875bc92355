// Owns: the vectors of holdfast.back-end.v1: what a node sends, and how it is signed.
import { expect, test } from "bun:test";
import { join } from "node:path";
import { bodyOf, type Question } from "./message.ts";
import { signatureOf } from "./signature.ts";

interface Vector {
  readonly name: string;
  readonly secret: string;
  readonly id: string;
  readonly timestamp: number;
  readonly body: string;
  readonly signature: string;
  readonly question: Readonly<Record<string, unknown>>;
}
const file = join(import.meta.dir, "../../../../spec/vectors/back-end.json");
const { questions } = (await Bun.file(file).json()) as { readonly questions: readonly Vector[] };

test("there are vectors of every kind of question", () => {
  const kinds = new Set(questions.map(({ question }) => question.type));
  expect(kinds).toEqual(new Set(["connect", "subscribe", "publish", "rpc", "disconnect"]));
});

test.each(questions.map((vector) => [vector.name, vector] as const))("%s", (_name, vector) => {
  const { v, b, ...rest } = vector.question;
  const data = typeof b === "string" ? { data: new Uint8Array(Buffer.from(b, "base64")) } : {};
  expect(v).toBe(1);
  expect(JSON.parse(bodyOf({ ...rest, ...data } as Question))).toEqual(vector.question);
  expect(JSON.parse(vector.body)).toEqual(vector.question);
  expect(signatureOf(vector.secret, vector)).toBe(vector.signature);
});
