// Owns: the vectors of holdfast.back-end.v1 at the receiving side.
import { expect, test } from "bun:test";
import { join } from "node:path";
import { verifySigned } from "./verify.ts";

interface Vector {
  readonly name: string;
  readonly secret: string;
  readonly id: string;
  readonly timestamp: number;
  readonly body: string;
  readonly signature: string;
  readonly question: unknown;
}
const file = join(import.meta.dir, "../../../../spec/vectors/back-end.json");
const { questions } = (await Bun.file(file).json()) as { readonly questions: readonly Vector[] };

test.each(questions.map((vector) => [vector.name, vector] as const))("%s", (_name, vector) => {
  const { secret, id, timestamp, body, signature, question } = vector;
  const headers = {
    "webhook-id": id,
    "webhook-timestamp": String(timestamp),
    "webhook-signature": `v1,AAAA ${signature}`,
  };
  const request = { secret, headers, body, nowMs: (timestamp + 299) * 1000 };
  expect(verifySigned(request)).toEqual(question);
  const wrong = [
    { ...request, body: `${body} ` },
    { ...request, nowMs: (timestamp + 301) * 1000 },
    { ...request, nowMs: (timestamp - 301) * 1000 },
    { ...request, secret: "another secret" },
    { ...request, headers: { ...headers, "webhook-id": "other" } },
    { ...request, headers: {} },
  ];
  for (const one of wrong) expect(verifySigned(one)).toBeUndefined();
});
