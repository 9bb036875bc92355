// Owns: a chat in the terminal: `bun examples/chat/chat.ts Ada`. What others say is printed, what
// you type is said.
import { Holdfast } from "@holdfast/client";
import type contract from "./holdfast.config.ts";

const [name = "Ada", url = "ws://localhost:8000/connect"] = process.argv.slice(2);
const room = new Holdfast<typeof contract>(url).channel("chat:lobby");
await room.subscribe(({ data }) => console.log(`${data.name}: ${data.text}`), { last: 10 }).ready;
for await (const text of console) if (text !== "") await room.publish({ name, text });
process.exit();
