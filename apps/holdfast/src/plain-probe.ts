// Owns: `holdfast probe --plain`: asks for one WebSocket as any client does, for `helm test` of a
// gateway and for people. What the application says in it is not looked at.
import { openUpstream } from "@holdfast/relay/gateway";
import { EXIT } from "./exit-code.ts";
import type { Host } from "./host.ts";

export interface PlainProbeRequest {
  readonly url: string;
  /** Sent as Host, if the URL names another, such as a Service. */
  readonly hostHeader?: string | undefined;
  readonly timeoutMs: number;
}

const MESSAGE_BYTES_MAX = 1024 * 1024;
const GOING_AWAY = 1001;
/** What a gateway says itself: no route, too many from this address. */
const OF_THE_GATEWAY: ReadonlySet<number> = new Set([404, 429]);

/**
 * Exit status 0: a socket opened, or an application answered that this client gets none. 1: it was
 * answered by something before the application. 3: nobody answered.
 */
export async function runPlainProbe(request: PlainProbeRequest, host: Host): Promise<number> {
  const startedMs = performance.now();
  const url = request.url.replace(/^http/, "ws");
  const headers = {
    "user-agent": "holdfast probe",
    ...(request.hostHeader === undefined ? {} : { host: request.hostHeader }),
  };
  const opening = await openUpstream(
    {
      ...{ url, headers, protocols: [], openMsMax: request.timeoutMs },
      messageBytesMax: MESSAGE_BYTES_MAX,
    },
    new AbortController().signal,
  );
  const took = `${(performance.now() - startedMs).toFixed(0)} ms`;
  switch (opening.kind) {
    case "open":
      opening.socket.close(GOING_AWAY, "probe");
      host.out(`ok  a socket opened (${took})\n`);
      return EXIT.ok;
    case "refused": {
      const { status } = opening.refusal;
      if (status < 500 && !OF_THE_GATEWAY.has(status)) {
        host.out(
          `ok  the application answered ${status}: it gives this client no socket (${took})\n`,
        );
        return EXIT.ok;
      }
      const text = opening.refusal.body.toString().trim().slice(0, 200);
      host.err(`Cannot probe ${url}: expected a socket, found: ${status} ${text}\n`);
      return EXIT.failed;
    }
    case "unfit":
      host.err(`Cannot probe ${url}: ${opening.why}\n`);
      return EXIT.refused;
    case "failed":
      host.err(`Cannot probe ${url}: expected a socket, found: ${opening.why}\n`);
      return EXIT.unavailable;
  }
}
