// Owns: HTTP requests that ask for no socket: they pass in both directions as streams.
import type { Route } from "./route.ts";
import { type ClientFacts, requestHeaders, responseHeaders } from "./upstream-headers.ts";

/** 502: no answer. 503: no endpoint takes requests. The body is never tried twice. */
export async function passThrough(
  request: Request,
  url: URL,
  { route, client }: { readonly route: Route; readonly client: ClientFacts },
): Promise<Response> {
  const key = route.keyOf?.(request, url);
  const address = route.endpoints.choose({ key, chance: Math.random() }, performance.now());
  if (address === undefined)
    return new Response("No server takes requests now.\n", { status: 503 });
  const scheme = route.isTls === true ? "https" : "http";
  try {
    const answer = await fetch(`${scheme}://${address}${url.pathname}${url.search}`, {
      method: request.method,
      headers: requestHeaders(request.headers, client),
      body: request.body,
      redirect: "manual",
      decompress: false,
      signal: request.signal,
    });
    route.endpoints.opened(address, performance.now());
    const headers = responseHeaders(answer.headers);
    return new Response(answer.body, { status: answer.status, headers });
  } catch {
    if (request.signal.aborted) return new Response(null, { status: 499 });
    return new Response("The server did not answer.\n", { status: 502 });
  } finally {
    route.endpoints.closed(address, false, performance.now());
  }
}
