// Owns: a Hocuspocus server, as a program that says its port. The token "read" may only read, and
// tokens in REFUSED are refused. Stateless messages are answered.
import { Server } from "@hocuspocus/server";

const refused = (process.env.REFUSED ?? "").split(",");
const server = new Server({
  ...{ port: 0, address: "127.0.0.1", quiet: true },
  async onAuthenticate({ token, connectionConfig }) {
    if (refused.includes(token)) throw new Error("refused");
    connectionConfig.readOnly = token === "read";
  },
  async onStateless({ payload, connection }) {
    connection.sendStateless(`re:${payload}`);
  },
});
await server.listen();
console.log(server.address.port);
