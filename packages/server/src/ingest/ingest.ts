// Owns: a request to ingest: who it is, its body within bounds, its events to the broker, and what
// became of each.
import type { NodeControl } from "@holdfast/core";
import type { RequestClient } from "@holdfast/door-sse";
import { CHANNEL_LENGTH_CEILING, CODES, type CodeName, KEY_LENGTH_MAX } from "@holdfast/protocol";
import { jsonAnswer, problemAnswer } from "../http/answers.ts";
import { type Problem, statusOf } from "../http/problem.ts";
import { partOf } from "../http/routes/publish.ts";
import { readBody } from "./body.ts";
import { encodingOf } from "./decompress.ts";
import { formOf, readEvents, TYPES } from "./events.ts";
import { byClient, byControl, type PublishEvent, publishAll, type Taken } from "./publishers.ts";
import { type IngestLimits, type IngestParty, IngestShares } from "./shares.ts";

export interface IngestOptions extends IngestLimits {
  readonly control: Pick<NodeControl, "publish">;
  /** A connection for a device's token, held until it is released. */
  readonly hold: (
    token: string,
    address: string,
  ) => Promise<
    | { readonly ok: true; readonly client: RequestClient; release(): void }
    | {
        readonly ok: false;
        readonly refusal: {
          readonly code: CodeName;
          readonly message: string;
          readonly retryMs?: number;
        };
      }
  >;
  readonly bodyBytesMax: number;
  readonly eventsMax: number;
  /** Time for a body to arrive. */
  readonly bodyTimeoutMs: number;
  readonly recorder?: IngestRecorder | undefined;
  readonly nowMs: () => number;
}

export interface IngestRecorder {
  ingestTaken(events: number, bytes: number): void;
  ingestRefused(code: string, events: number): void;
  ingestHeld(bytes: number): void;
}

export interface IngestCall {
  readonly request: Request;
  readonly url: URL;
  readonly address: string;
  readonly requestId: string;
  /** The name of the API key; undefined: a device, by its token. */
  readonly key: string | undefined;
}

export interface Ingest {
  answer(call: IngestCall): Promise<Response>;
  /** Bytes of bodies that are in memory now. */
  readonly heldBytes: number;
}

export function createIngest(options: IngestOptions): Ingest {
  const shares = new IngestShares(options, options.nowMs);
  return {
    get heldBytes() {
      return shares.heldBytes;
    },
    async answer(call) {
      const refuse = (problem: Problem, headers = {}): Response => {
        options.recorder?.ingestRefused(problem.code, 0);
        return problemAnswer(problem, call.requestId, headers);
      };
      const query = readQuery(call);
      if ("code" in query) return refuse(query);
      const encoding = encodingOf(call.request.headers.get("content-encoding"));
      const form = formOf(call.request.headers);
      if (form === undefined) return refuse(unsupported(`send one of ${TYPES}, in UTF-8`));
      if (encoding === undefined)
        return refuse(unsupported("send Content-Encoding: gzip or zstd, or none"), {
          "accept-encoding": "gzip, zstd",
        });
      const found = await publisherOf(options, call);
      if (!found.ok) return refuse(found.problem);
      const waitMs = shares.waitMs(found);
      const reserved = shares.reserve(found);
      try {
        if (waitMs > 0) return refuse(overShare(waitMs));
        const read = await readBody(call.request, {
          encoding,
          reserved,
          bytesMax: options.bodyBytesMax,
          timeoutMs: options.bodyTimeoutMs,
          onBytes: (bytes) => shares.charge(found, "bytes", bytes),
        });
        if (!(read instanceof Uint8Array)) return refuse(read);
        const body = readEvents(form, read, call.request.headers, {
          ...query,
          eventsMax: options.eventsMax,
        });
        if (!body.ok) return refuse(body.problem);
        shares.charge(found, "events", body.events.length);
        const events = body.events.map((event) =>
          "fault" in event ? { error: faultPart(event.fault) } : event,
        );
        const results = await publishAll(events, found.publish);
        count(options.recorder, results, read.length);
        return answerOf(results, { ...call, isBatch: body.isBatch, all: query.all });
      } finally {
        reserved.release();
        options.recorder?.ingestHeld(shares.heldBytes);
        found.release();
      }
    },
  };
}

const unsupported = (detail: string): Problem => ({ code: "unsupported_media_type", detail });
const overShare = (retryMs: number): Problem => ({
  code: "rate_limited",
  detail: "Cannot take the events: found more than the share of this key, user or address",
  retryMs: Math.ceil(retryMs),
});

const NAMES = new Set(["channel", "key", "data", "results"]);

interface IngestQuery {
  readonly channel: string | undefined;
  readonly key: string | undefined;
  readonly idempotencyKey: string | undefined;
  readonly dataOnly: boolean;
  /** False: only refused events are told. */
  readonly all: boolean;
}

function readQuery({ url, request }: IngestCall): IngestQuery | Problem {
  const wrong = (path: string, detail: string): Problem => ({
    code: "request_invalid",
    detail,
    path,
  });
  for (const name of url.searchParams.keys()) {
    if (!NAMES.has(name))
      return wrong(name, `an unknown member, expected ${[...NAMES].join(", ")}`);
    if (url.searchParams.getAll(name).length > 1) return wrong(name, "is given twice");
  }
  const of = (name: string): string | undefined => url.searchParams.get(name) ?? undefined;
  const [channel, key, data, results] = [of("channel"), of("key"), of("data"), of("results")];
  const idempotencyKey = request.headers.get("idempotency-key") ?? undefined;
  if (channel !== undefined && (channel === "" || channel.length > CHANNEL_LENGTH_CEILING))
    return wrong("channel", `takes 1 to ${CHANNEL_LENGTH_CEILING} characters`);
  for (const [name, value] of Object.entries({ key, "Idempotency-Key": idempotencyKey }))
    if (value !== undefined && (value === "" || value.length > KEY_LENGTH_MAX - INDEX_LENGTH))
      return wrong(name, `takes 1 to ${KEY_LENGTH_MAX - INDEX_LENGTH} characters`);
  if (data !== undefined && data !== "only") return wrong("data", "takes only");
  if (results !== undefined && results !== "refused") return wrong("results", "takes refused");
  return { channel, key, idempotencyKey, dataOnly: data === "only", all: results === undefined };
}

/** Of `/99999`, which the key of an event in a batch ends with. */
const INDEX_LENGTH = 6;

type Publisher = IngestParty & {
  readonly ok: true;
  readonly publish: PublishEvent;
  release(): void;
};

async function publisherOf(
  { control, hold }: IngestOptions,
  { request, address, key }: IngestCall,
): Promise<Publisher | { readonly ok: false; readonly problem: Problem }> {
  if (key !== undefined)
    return { ok: true, party: `key ${key}`, address, publish: byControl(control), release() {} };
  const token = /^bearer +(\S+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
  if (token === undefined) {
    const detail = "send Authorization: Bearer and an API key or a token";
    return { ok: false, problem: { code: "unauthorized", detail } };
  }
  const held = await hold(token, address);
  if (held.ok)
    // The connection knows its user: whoever has one token is one party.
    return {
      ok: true,
      party: `token ${held.client.party}`,
      address,
      publish: byClient(held.client),
      release: held.release,
    };
  const { code, message: detail, retryMs } = held.refusal;
  const known: Problem["code"] = isAuth(code) ? "unauthorized" : code;
  return {
    ok: false,
    problem: { code: known, detail, ...(retryMs === undefined ? {} : { retryMs }) },
  };
}

const isAuth = (code: CodeName): boolean => code === "token_invalid" || code === "token_expired";

const faultPart = ({ code, detail, path }: Problem) =>
  partOf({
    ok: false,
    code: (code in CODES ? code : "request_invalid") as CodeName,
    message: detail,
    ...(path === undefined ? {} : { path }),
  });

function count(
  recorder: IngestRecorder | undefined,
  results: readonly Taken[],
  bytes: number,
): void {
  let taken = 0;
  const refused = new Map<string, number>();
  for (const result of results) {
    if ("error" in result)
      refused.set(result.error.code, (refused.get(result.error.code) ?? 0) + 1);
    else taken += 1;
  }
  recorder?.ingestTaken(taken, bytes);
  for (const [code, events] of refused) recorder?.ingestRefused(code, events);
}

/**
 * 202: the broker has all of them. 207: some. If it has none: the status of the first refusal, so
 * that whoever sees only the status comes again, or does not.
 */
function answerOf(
  results: readonly Taken[],
  { requestId, isBatch, all }: { requestId: string; isBatch: boolean; all: boolean },
): Response {
  const failed = results.flatMap((result) => ("error" in result ? [result.error] : []));
  const [first] = failed;
  const accepted = results.length - failed.length;
  if (!isBatch && first !== undefined) {
    const { message: detail, ...rest } = first;
    return problemAnswer({ ...rest, detail } as Problem, requestId);
  }
  const retryMs = Math.max(0, ...failed.map((error) => error.retryMs ?? 0));
  const retry: Record<string, string> =
    retryMs === 0 ? {} : { "retry-after": String(Math.max(1, Math.ceil(retryMs / 1000))) };
  const told = results.flatMap((result, index) =>
    all || "error" in result ? [{ index, ...result }] : [],
  );
  const status =
    failed.length === 0
      ? 202
      : accepted > 0
        ? 207
        : statusOf((first?.code ?? "internal") as CodeName);
  return jsonAnswer({ accepted, refused: failed.length, results: told }, status, retry);
}
