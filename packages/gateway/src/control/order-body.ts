// Owns: the body of an order: what it may hold, and what is said of one that holds something else.
import type { OrderKind } from "./orders.ts";
import { problem } from "./problem.ts";
import { expectedText, fits, flag, listOf, object, type Schema, whole } from "./schemas.ts";

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

const token = whole(
  "Fencing: an order with a lower token than that of the last one about this endpoint is refused.",
  { minimum: 0 },
);
const terms = {
  windowMs: whole(
    "How long it may take. Absent: as long as moves take anyway (`moves.windowMs`).",
    { minimum: 1, maximum: WINDOW_MAX_MS },
  ),
  to: listOf(
    { type: "string", maxLength: ADDRESS_LENGTH_MAX },
    {
      description: "Until the window is over, only these addresses take the clients. Absent: any.",
      maxItems: ADDRESSES_MAX,
    },
  ),
};

/** What an order may hold, by its kind. */
export const ORDER_BODIES: Readonly<Record<OrderKind, Schema>> = {
  drain: object(
    { token, ...terms, isPreferred: flag("Others take clients that find no place at `to`.") },
    ["windowMs", "to", "isPreferred"],
  ),
  undrain: object({ token }),
  shed: object(
    { keep: whole("Clients that stay.", { minimum: 0, maximum: KEEP_MAX }), token, ...terms },
    ["token", "windowMs", "to"],
  ),
  weight: object({
    token,
    weight: whole("Its share, compared with the others'.", { minimum: 1, maximum: WEIGHT_MAX }),
  }),
};

/** Members that the kind does not know, such as those of newer callers, are left out. */
export async function readOrder(kind: OrderKind, request: Request): Promise<OrderBody | Response> {
  const body = await bodyOf(request);
  if (body instanceof Response) return body;
  const { properties = {}, required = [] } = ORDER_BODIES[kind];
  const read: Record<string, unknown> = {};
  for (const [name, schema] of Object.entries(properties)) {
    const found = body[name];
    if (found === undefined && !required.includes(name)) continue;
    if (!fits(schema, found)) return invalid(name, found, expectedText(schema));
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
