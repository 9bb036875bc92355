// Owns: one look at an endpoint: whether it answers.
import { connect } from "node:net";
import { fetchTls, openUpstream, type UpstreamTls } from "@holdfast/relay/gateway";
import type { CheckOptions } from "../options/route-fields.ts";

export interface Probed {
  readonly address: string;
  /** Undefined: no TLS. */
  readonly tls: UpstreamTls | undefined;
}

/** Settles within the check's limit of time; never rejects. */
export function probe(target: Probed, check: CheckOptions): Promise<boolean> {
  switch (check.kind) {
    case "http":
      return overHttp(target, check);
    case "tcp":
      return overTcp(target, check);
    case "websocket":
      return overWebSocket(target, check);
  }
}

async function overHttp(
  { address, tls }: Probed,
  { path, timeoutMs }: CheckOptions,
): Promise<boolean> {
  try {
    const answer = await fetch(`${tls === undefined ? "http" : "https"}://${address}${path}`, {
      ...(tls === undefined ? {} : { tls: fetchTls(tls, address) }),
      redirect: "manual",
      headers: { "user-agent": "holdfast-gateway" },
      signal: AbortSignal.timeout(timeoutMs),
    });
    await answer.body?.cancel();
    return answer.status >= 200 && answer.status < 400;
  } catch {
    return false;
  }
}

function overTcp({ address }: Probed, { timeoutMs }: CheckOptions): Promise<boolean> {
  const { hostname, port } = new URL(`http://${address}`);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 80) });
    const end = (isWell: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(isWell);
    };
    const timer = setTimeout(() => end(false), timeoutMs);
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
  });
}

async function overWebSocket(
  { address, tls }: Probed,
  { path, timeoutMs }: CheckOptions,
): Promise<boolean> {
  const opening = await openUpstream(
    {
      url: `${tls === undefined ? "ws" : "wss"}://${address}${path}`,
      ...{ tls, protocols: [], headers: {} },
      ...{ openMsMax: timeoutMs, messageBytesMax: 64 * 1024 },
    },
    new AbortController().signal,
  );
  if (opening.kind !== "open") return false;
  opening.socket.close(1000, "");
  return true;
}
