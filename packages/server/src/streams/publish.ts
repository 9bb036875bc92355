// Owns: a POST to `/events`: one publication of a client.
import { KEY_LENGTH_MAX, type Payload } from "@holdfast/protocol";
import type { z } from "zod";
import { readJson } from "../http/body.ts";
import { payloadOf } from "../http/json.ts";
import { checkInput } from "../http/route.ts";
import { channelName, idempotencyKey, latestKey, withData } from "../http/schemas.ts";
import { type ClientProblem, jsonAnswer, problemAnswer, problemOf } from "./answers.ts";
import type { AskingSessions } from "./sessions.ts";

export interface Publishing {
  readonly request: Request;
  readonly token: string | undefined;
  readonly address: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly limits: { readonly bytesMax: number; readonly timeoutMs: number };
}

const input = withData({
  channel: channelName,
  key: latestKey.optional(),
  idempotencyKey: idempotencyKey.optional(),
});
type PublishInput = z.infer<typeof input>;

/** Answered with 202 when the broker has it. */
export async function answerPublish(
  sessions: AskingSessions,
  { request, token, address, headers, limits }: Publishing,
): Promise<Response> {
  const refuse = (problem: ClientProblem) => problemAnswer(problem, headers);
  const body = await readJson(request, limits);
  if (!body.ok) return refuse(body.problem as ClientProblem);
  const checked = checkInput<PublishInput>(input as unknown as z.ZodType<PublishInput>, body.value);
  if (!checked.ok) return refuse(detailOf(checked));
  const { channel, key, data, b } = checked.value as PublishInput & { data?: unknown; b?: string };
  const payload = payloadOf({ data, b });
  if (payload === undefined) return refuse(wrong("data", "expected either data or b"));
  if (payload.kind === "fault")
    return refuse({ code: "payload_invalid", detail: payload.message, path: payload.path });
  const idem = onceOf(checked.value.idempotencyKey, request.headers.get("idempotency-key"));
  if (idem === "differ")
    return refuse(wrong("idempotencyKey", "the header Idempotency-Key says another key"));
  if (idem !== undefined && idem.length > KEY_LENGTH_MAX)
    return refuse(wrong("idempotencyKey", `expected at most ${KEY_LENGTH_MAX} characters`));
  const held = await sessions.hold(token, address);
  if (!held.ok) return refuse(problemOf(held.refusal));
  try {
    const answered = await held.client.ask(
      {
        t: "publish",
        ch: channel,
        ...(key === undefined ? {} : { k: key }),
        ...(idem === undefined ? {} : { idem }),
        data: payload,
      },
      lengthOf(payload),
    );
    if (!answered.ok) {
      const { path } = answered.refusal;
      return refuse({ ...problemOf(answered.refusal), ...(path === undefined ? {} : { path }) });
    }
    const { frame } = answered;
    if (frame.t !== "published") return refuse({ code: "internal", detail: "no such answer" });
    const { e: epoch, o: offset, dup: duplicate = false } = frame;
    return jsonAnswer({ epoch, offset, duplicate }, 202, headers);
  } finally {
    held.release();
  }
}

const lengthOf = (payload: Payload): number =>
  payload.kind === "json" ? payload.text.length : payload.bytes.length;

const wrong = (path: string, detail: string): ClientProblem => ({
  code: "request_invalid",
  detail,
  path,
});

const detailOf = (failed: { readonly message: string; readonly path?: string }): ClientProblem => ({
  code: "request_invalid",
  detail: failed.message,
  ...(failed.path === undefined ? {} : { path: failed.path }),
});

function onceOf(own: string | undefined, header: string | null): string | undefined | "differ" {
  if (header === null || header === "") return own;
  return own === undefined || own === header ? header : "differ";
}
