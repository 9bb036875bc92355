// Owns: the editor's server: Hocuspocus, as its manual shows it. It knows nothing of Holdfast.
// `node editor.mjs NAME` says its port in its first line.
import { Server } from "@hocuspocus/server";

const [name = "v1"] = process.argv.slice(2);
/** What a page measures pauses with: this server says its name so often. */
const BEAT_MS = 50;

const server = new Server({ port: 0, address: "127.0.0.1", quiet: true });
await server.listen();
setInterval(() => {
  for (const document of server.hocuspocus.documents.values())
    document.broadcastStateless(`${name} · ${process.pid}`);
}, BEAT_MS);
// Whoever started it is gone.
process.stdin.on("end", () => process.exit()).resume();
console.log(server.address.port);
