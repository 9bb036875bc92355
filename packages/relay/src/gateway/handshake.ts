// Owns: whether a request is clear, and whether an upgrade is a handshake of WebSocket (RFC 6455,
// section 4.2.1).

export type Handshake =
  | { readonly ok: true; readonly protocols: readonly string[] }
  | { readonly ok: false; readonly answer: Response };

const VERSION = "13";
/** 16 bytes in base64. */
const KEY = /^[A-Za-z0-9+/]{21}[AQgw]==$/;
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Read before any endpoint is asked: what is no handshake costs no endpoint anything. */
export function readHandshake({ method, headers }: Request): Handshake {
  if (method !== "GET") return refused(400, "A WebSocket handshake is a GET.\n");
  if (headers.get("sec-websocket-version") !== VERSION)
    return refused(426, `Expected Sec-WebSocket-Version ${VERSION}.\n`, {
      "sec-websocket-version": VERSION,
    });
  if (!KEY.test(headers.get("sec-websocket-key") ?? ""))
    return refused(400, "Sec-WebSocket-Key is no key.\n");
  const protocols = protocolsOf(headers.get("sec-websocket-protocol") ?? "");
  if (protocols === undefined) return refused(400, "Sec-WebSocket-Protocol is no list of names.\n");
  return { ok: true, protocols };
}

/**
 * Why two programs could take a request for different ones; undefined: they cannot. What is unclear
 * about the length of a body Bun refuses, but for a length that stands twice.
 */
export function whyUnclear({ headers }: Request): string | undefined {
  if (headers.get("host")?.includes(",") === true) return "The Host header is there twice.\n";
  return headers.get("content-length")?.includes(",") === true
    ? "Content-Length is there twice.\n"
    : undefined;
}

/** Each once; undefined: something else is in the list. */
function protocolsOf(header: string): readonly string[] | undefined {
  const names = header
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  const areNames = names.every((name) => NAME.test(name));
  return areNames && new Set(names).size === names.length ? names : undefined;
}

function refused(
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): Handshake {
  return { ok: false, answer: new Response(text, { status, headers }) };
}
