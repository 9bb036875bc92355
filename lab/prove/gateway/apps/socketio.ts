// Owns: clients of socket.io, on the library `socket.io-client`.
import { join } from "node:path";
import { io, type Socket } from "socket.io-client";
import { RedisServers } from "../../redis-servers.ts";
import type { App, DeclaredHole } from "../app.ts";
import { SERVERS } from "./programs.ts";
import { type Heard, type Line, Talker } from "./talker.ts";

/** The library says why a socket closed, and no code. */
const NO_CODE = 0;
const AGAIN_MS = 200;

class SocketIoLine implements Line {
  readonly #socket: Socket;
  readonly #id: number;
  readonly hearsFromFirst: boolean;
  #heard: Heard | undefined;

  constructor(url: string, id: number, hearsFromFirst: boolean) {
    this.#id = id;
    this.hearsFromFirst = hearsFromFirst;
    this.#socket = io(url.replace(/^ws/, "http"), {
      ...{ transports: ["websocket"], forceNew: true, autoConnect: false },
      reconnectionDelay: AGAIN_MS,
    });
  }

  get isOpen(): boolean {
    return this.#socket.connected;
  }

  async open(heard: Heard): Promise<void> {
    const socket = this.#socket;
    this.#heard = heard;
    socket.on("push", ({ push, home }: { push: number; home: string }) => heard.push(home, push));
    socket.on("disconnect", () => heard.closed(NO_CODE));
    socket.on("connect", () => {
      // The library tells of a new place at the servers so, and users join their rooms again.
      if (!socket.recovered) heard.anew();
    });
    const opened = new Promise<void>((resolve) => socket.once("connect", () => resolve()));
    socket.connect();
    await opened;
  }

  say(number: number): void {
    this.#socket.emit("say", this.#id, number, (answer: number) => this.#heard?.answer(answer));
  }

  close(): void {
    this.#socket.disconnect();
  }
}

const AGAIN: DeclaredHole = {
  ...{ holes: ["again"], kinds: ["drain", "death", "hang"] },
  text: "events that wanted an acknowledgement were sent to the next server again (`idempotent`)",
};

const PLACE: DeclaredHole = {
  ...{ holes: ["place"], kinds: ["drain", "death", "hang"] },
  text: "the client heard `connect` again, and rooms and events between two servers are gone",
};

const TWO_WAYS: DeclaredHole = {
  ...{ holes: ["pushes"], kinds: ["drain", "death", "hang"] },
  text: "an event that a busy server read from the stream while it restored the session",
};

const DIED: DeclaredHole = {
  ...{ holes: ["place"], kinds: ["death"] },
  text: "a server that was killed had put no session aside: the client heard `connect` again",
};

export const socketio: App = {
  name: "socketio",
  title: "socket.io without recovery, profile socketio",
  profile: { kind: "socketio", idempotent: true },
  ...{ clients: 500, declared: [AGAIN, PLACE] },
  server: ({ port }) => ({ command: ["node", join(SERVERS, "socketio-server.mjs"), String(port)] }),
  client: ({ url, id, everyMs }) => new Talker(new SocketIoLine(url, id, true), { id, everyMs }),
};

/** Each server sends events to all clients of all servers, over Redis. */
export const socketioRecovery: App = {
  ...socketio,
  name: "socketio-recovery",
  title: "socket.io with connection state recovery over Redis Streams, profile socketio",
  ...{ clients: 300, declared: [AGAIN, DIED, TWO_WAYS] },
  async surroundings(folder) {
    const redis = await RedisServers.start(folder);
    return { env: { REDIS_PORT: String(redis.port) }, end: () => redis.close() };
  },
  client: ({ url, id, everyMs }) => new Talker(new SocketIoLine(url, id, false), { id, everyMs }),
};
