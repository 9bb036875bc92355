// Owns: an MQTT broker on Node: aedes as its documentation starts it, sessions and messages in
// memory. Runs on Node.
import { type AddressInfo, createServer } from "node:net";
import { Aedes } from "aedes";
import { BACKLOG, READY_EVENT } from "./ready.ts";

const broker = await Aedes.createBroker();
const server = createServer(broker.handle);

server.listen({ port: 0, host: "127.0.0.1", backlog: BACKLOG }, () => {
  const url = `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { version } = broker as Aedes & { readonly version: string };
  process.stdout.write(
    `${JSON.stringify({ event: READY_EVENT, url, internalUrl: url, version })}\n`,
  );
});
// Run with --expose-gc: so that memory can be read without V8's garbage, which it does not collect
// while it is idle.
process.on("SIGUSR2", () => globalThis.gc?.());
