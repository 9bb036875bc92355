// Owns: a Hocuspocus server without a store. It says what it has of a document that is open.
import { Server } from "@hocuspocus/server";
import { encodeStateAsUpdate } from "yjs";

const server = new Server({
  ...{ port: Number(process.argv[2]), address: "127.0.0.1", quiet: true, stopOnSignals: false },
  async onRequest({ request, response, instance }) {
    const url = new URL(request.url ?? "/", "http://localhost");
    if (url.pathname !== "/state") return;
    const document = instance.documents.get(url.searchParams.get("doc") ?? "");
    response.writeHead(document === undefined ? 404 : 200);
    response.end(document === undefined ? "" : encodeStateAsUpdate(document));
    // So Hocuspocus wants to hear that the request is answered.
    throw null;
  },
});
await server.listen();
process.on("SIGTERM", async () => {
  await server.destroy();
  process.exit(0);
});
