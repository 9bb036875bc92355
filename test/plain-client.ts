// Owns: a client of plain WebSocket for tests of the gateway: what it got, and how it was closed.

export interface PlainClient {
  readonly socket: WebSocket;
  readonly got: string[];
  closed: { readonly code: number; readonly reason: string } | undefined;
}

/** The same, of a port on loopback. */
export const connectPlain = (
  port: number,
  path = "/",
  protocols: readonly string[] = [],
): Promise<PlainClient> => plainClient(`ws://127.0.0.1:${port}${path}`, protocols);

/** One that is open. Rejects if it does not open. */
export async function plainClient(
  url: string,
  protocols: readonly string[] = [],
): Promise<PlainClient> {
  const socket = new WebSocket(url, [...protocols]);
  const client: PlainClient = { socket, got: [], closed: undefined };
  socket.onmessage = ({ data }) => client.got.push(String(data));
  socket.onclose = ({ code, reason }) => {
    client.closed = { code, reason };
  };
  await new Promise<void>((done, fail) => {
    socket.onopen = () => done();
    socket.onerror = () => fail(new TypeError("it did not open"));
  });
  return client;
}

/** What the client's frame was answered with. */
export async function ask(client: PlainClient, frame: string): Promise<string> {
  const { length } = client.got;
  client.socket.send(frame);
  await until(`an answer to ${frame}`, () => client.got.length > length);
  return client.got[length] ?? "";
}

const LOOKS = 2000;
const LOOK_MS = 5;

/** Waits at least 10 s, and longer on a busy machine: looks take their time there. */
export async function until(what: string, is: () => boolean | Promise<boolean>): Promise<void> {
  for (let looks = 0; looks < LOOKS; looks++) {
    if (await is()) return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  throw new TypeError(`not in time: ${what}`);
}
