// Owns: fastify's http-proxy with wsReconnect. `node fastify-front.mjs PORT SERVICE_PORT`.
import proxy from "@fastify/http-proxy";
import Fastify from "fastify";

const [port, servicePort] = process.argv.slice(2).map(Number);
const app = Fastify();
await app.register(proxy, {
  upstream: `http://127.0.0.1:${servicePort}`,
  websocket: true,
  wsReconnect: {
    ...{ pingInterval: 30_000, maxReconnectionRetries: 1000, reconnectInterval: 100 },
    ...{ reconnectDecay: 1.5, connectionTimeout: 5000, reconnectOnClose: true, logs: false },
  },
});
await app.listen({ port, host: "127.0.0.1" });
process.on("SIGTERM", () => process.exit(0));
