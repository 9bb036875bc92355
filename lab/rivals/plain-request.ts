// Owns: the load generator's convention for servers without a protocol: `sub <channel>`, `pub
// <channel> <payload>`, and any other message comes back unchanged.

export type PlainRequest =
  | { readonly kind: "subscribe"; readonly channel: string }
  | { readonly kind: "publish"; readonly channel: string; readonly payload: string }
  | { readonly kind: "echo"; readonly text: string };

export function plainRequest(text: string): PlainRequest {
  if (text.startsWith("sub ")) return { kind: "subscribe", channel: text.slice(4) };
  const space = text.indexOf(" ", 4);
  if (!text.startsWith("pub ") || space === -1) return { kind: "echo", text };
  return { kind: "publish", channel: text.slice(4, space), payload: text.slice(space + 1) };
}
