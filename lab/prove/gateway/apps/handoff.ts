// Owns: clients of applications that hand their clients over: each frame takes effect once.
import { join } from "node:path";
import type { App, ClientOptions } from "../app.ts";
import { EXAMPLES, pythonCommand, SERVERS } from "./programs.ts";
import { Talker } from "./talker.ts";
import { type Dialect, WsLine } from "./ws-line.ts";

/**
 * The server counts. Its count is a frame of the server as well: one more each time, from 1. If a
 * frame of ours took no effect, or two, it is another one.
 */
const dialect: Dialect = {
  say: String,
  heard(text, heard) {
    const [count = 0, number = 0] = text.split(" ").map(Number);
    heard.answer(number);
    heard.push("count", count);
  },
};

const client = ({ url, id, everyMs }: ClientOptions): Talker =>
  new Talker(new WsLine(url, dialect), { id, everyMs });

export const handoffBun: App = {
  name: "handoff",
  title: "A game of one number that hands its clients over, profile handoff",
  profile: "handoff",
  ...{ clients: 500, declared: [], client },
  server: ({ port }) => ({
    command: [process.execPath, join(SERVERS, "handoff-server.ts"), String(port)],
  }),
};

export const handoffPython: App = {
  name: "handoff-python",
  title: "The same in Python, with examples/handoff-python",
  profile: "handoff",
  ...{ clients: 300, declared: [], client },
  server: ({ port }) => pythonCommand([join(EXAMPLES, "handoff-python/counter.py"), String(port)]),
};
