// Owns: a client on Node, with ws below its HoldfastSocket: it talks until it has moved.
import process from "node:process";
import { WebSocket as Ws } from "ws";

const [dist, url] = process.argv.slice(2);
const { HoldfastSocket } = await import(`${dist}/socket/index.js`);
const Socket = HoldfastSocket.with({ WebSocket: globalThis.WebSocket ?? Ws });
const socket = new Socket(url, ["chat"]);
/** @type {string[]} */
const got = [];
/** @type {string[]} */
const events = [];
let sent = 0;
socket.onmessage = (/** @type {MessageEvent} */ { data }) => got.push(data);
for (const type of ["open", "error", "move"])
  socket.addEventListener(type, () => events.push(type));
socket.onclose = (/** @type {CloseEvent} */ { code, reason }) => {
  events.push(`close ${code} ${reason}`);
  console.log(JSON.stringify({ got, events, sent, protocol: socket.protocol }));
  process.exit();
};
setInterval(() => {
  if (socket.readyState !== Socket.OPEN) return;
  if (!events.includes("move") || sent < 20) socket.send(`${sent++}`);
  else if (got.length === sent) socket.close(3001, "done");
}, 20);
