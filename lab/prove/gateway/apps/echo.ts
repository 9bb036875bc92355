// Owns: clients of plain servers, on Node and in Python.
import { join } from "node:path";
import type { App, ClientOptions, DeclaredHole } from "../app.ts";
import { pythonCommand, SERVERS } from "./programs.ts";
import { Talker } from "./talker.ts";
import { type Dialect, WsLine } from "./ws-line.ts";

const dialect = (id: number): Dialect => ({
  say: (number) => `${id} ${number}`,
  heard(text, heard) {
    const { answer, push, home } = JSON.parse(text);
    if (push === undefined) heard.answer(answer);
    else heard.push(home, push);
  },
});

const HOLES: readonly DeclaredHole[] = [
  {
    ...{ holes: ["answers", "pushes"], kinds: ["death"] },
    text: "what a server had taken and not answered when it died",
  },
  {
    ...{ holes: ["answers"], kinds: ["drain"] },
    text: "an answer that a busy server still owed when it was asked to go",
  },
];

const client = ({ url, id, everyMs }: ClientOptions): Talker =>
  new Talker(new WsLine(url, dialect(id)), { id, everyMs });

export const echo: App = {
  name: "echo",
  title: "A plain server on ws, profile stateless",
  profile: "stateless",
  ...{ clients: 1000, declared: HOLES, floods: true, client },
  fronts: ["gateway", "nginx", "haproxy", "envoy", "fastify"],
  server: ({ port }) => ({ command: ["node", join(SERVERS, "echo-server.mjs"), String(port)] }),
};

/** As many as 20,000 open files allow: before the servers each client has two sockets. */
export const held: App = {
  ...echo,
  name: "held",
  title: "The plain server with many clients that say little: what it costs to hold them",
  ...{ clients: 9500, everyMs: 5000, steps: ["steady"] },
  fronts: ["gateway", "nginx", "haproxy", "envoy"],
};

export const python: App = {
  name: "python",
  title: "A plain server in Python on websockets, profile stateless",
  profile: "stateless",
  ...{ clients: 300, declared: HOLES, floods: true, client },
  server: ({ port }) => pythonCommand([join(SERVERS, "echo_server.py"), String(port)]),
};
