// Owns: the body of an order: what it may hold, and what is said of one that holds something else.
import type { OrderKind } from "./orders.ts";
import { problem } from "./problem.ts";

/** Every member that an order may have. Those that its kind needs are there; others have no use. */
export interface OrderBody {
  /** Always there, but for a `shed`. */
  readonly token?: number;
  readonly weight: number;
  readonly keep: number;
  readonly windowMs?: number;
  readonly to?: readonly string[];
  readonly isPreferred?: boolean;
}

/** An order is a few hundred bytes. */
const BODY_MS_MAX = 5000;
const WEIGHT_MAX = 100;
const KEEP_MAX = 1_000_000;
const WINDOW_MAX_MS = 86_400_000;
const ADDRESSES_MAX = 1000;
const ADDRESS_LENGTH_MAX = 300;

interface Member {
  readonly expected: string;
  readonly fits: (found: unknown) => boolean;
}
type Members = Readonly<Record<string, Member>>;

const isWhole =
  (least: number, most: number) =>
  (found: unknown): boolean =>
    typeof found === "number" && Number.isSafeInteger(found) && found >= least && found <= most;

const TOKEN: Members = {
  token: { expected: "a whole number from 0", fits: isWhole(0, Number.MAX_SAFE_INTEGER) },
};
const TERMS: Members = {
  windowMs: {
    expected: `a whole number of ms from 1 to ${WINDOW_MAX_MS}`,
    fits: isWhole(1, WINDOW_MAX_MS),
  },
  to: {
    expected: `a list of at most ${ADDRESSES_MAX} addresses`,
    fits: (found) =>
      Array.isArray(found) &&
      found.length <= ADDRESSES_MAX &&
      found.every((one) => typeof one === "string" && one.length <= ADDRESS_LENGTH_MAX),
  },
};

const MEMBERS: Readonly<Record<OrderKind, { readonly needed: Members; readonly more: Members }>> = {
  drain: {
    needed: TOKEN,
    more: {
      ...TERMS,
      isPreferred: { expected: "true or false", fits: (found) => typeof found === "boolean" },
    },
  },
  undrain: { needed: TOKEN, more: {} },
  shed: {
    needed: { keep: { expected: "a whole number from 0", fits: isWhole(0, KEEP_MAX) } },
    more: { ...TOKEN, ...TERMS },
  },
  weight: {
    needed: {
      ...TOKEN,
      weight: { expected: `a whole number from 1 to ${WEIGHT_MAX}`, fits: isWhole(1, WEIGHT_MAX) },
    },
    more: {},
  },
};

/** Members that the kind does not know, such as those of newer callers, are left out. */
export async function readOrder(kind: OrderKind, request: Request): Promise<OrderBody | Response> {
  const body = await bodyOf(request);
  if (body instanceof Response) return body;
  const { needed, more } = MEMBERS[kind];
  const read: Record<string, unknown> = {};
  for (const [name, { expected, fits }] of Object.entries({ ...needed, ...more })) {
    const found = body[name];
    if (found === undefined && name in more) continue;
    if (!fits(found)) return invalid(name, found, expected);
    read[name] = found;
  }
  return { weight: 1, keep: 0, ...read };
}

async function bodyOf(request: Request): Promise<Readonly<Record<string, unknown>> | Response> {
  const text = await inTime(request);
  if (text === undefined) return late();
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === "object" && body !== null && !Array.isArray(body))
      return body as Readonly<Record<string, unknown>>;
  } catch {
    // The same answer as for JSON that is no object.
  }
  return invalid("body", text.slice(0, 40), 'a JSON object, such as {"token": 1}');
}

/** Undefined: it broke off, or came byte by byte. */
async function inTime(request: Request): Promise<string | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const over = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), BODY_MS_MAX);
  });
  const text = request.text().catch(() => undefined);
  const found = await Promise.race([text, over]);
  clearTimeout(timer);
  return found;
}

const late = (): Response =>
  problem({
    ...{ status: 408, code: "request_invalid", path: "body" },
    detail: `found no whole body within ${BODY_MS_MAX / 1000} s`,
    headers: { connection: "close" },
  });

function invalid(path: string, found: unknown, expected: string): Response {
  const shown = (JSON.stringify(found) ?? "nothing").slice(0, 80);
  const detail = `found ${shown}, expected ${expected}`;
  return problem({ status: 400, code: "request_invalid", detail, path });
}
