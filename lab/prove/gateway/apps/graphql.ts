// Owns: clients of GraphQL over WebSocket, on the library `graphql-ws`.
import { join } from "node:path";
import { type Client, createClient } from "graphql-ws";
import WebSocket from "ws";
import type { App } from "../app.ts";
import { SERVERS } from "./programs.ts";
import { type Heard, type Line, Talker } from "./talker.ts";

const AGAIN_MS = 200;
/** One frame of so many is a mutation. */
const MUTATION_EVERY = 5;

class GraphqlLine implements Line {
  readonly #url: string;
  readonly #id: number;
  #client: Client | undefined;
  #heard: Heard | undefined;
  isOpen = false;

  constructor(url: string, id: number) {
    this.#url = url;
    this.#id = id;
  }

  async open(heard: Heard): Promise<void> {
    this.#heard = heard;
    const client = createClient({
      ...{ url: this.#url, webSocketImpl: WebSocket, lazy: false },
      retryAttempts: Number.POSITIVE_INFINITY,
      retryWait: () => Bun.sleep(AGAIN_MS * (1 + Math.random())),
      shouldRetry: () => true,
      onNonLazyError: () => {},
    });
    this.#client = client;
    client.on("closed", (event) => {
      if (this.isOpen) heard.closed((event as { readonly code: number }).code);
      this.isOpen = false;
    });
    await new Promise<void>((resolve) => {
      client.on("connected", () => {
        this.isOpen = true;
        resolve();
      });
    });
    client.subscribe<{ ticks: { home: string; push: number } }>(
      { query: "subscription { ticks { home push } }" },
      {
        next: ({ data }) => {
          if (data) heard.push(data.ticks.home, data.ticks.push);
        },
        ...{ error: () => {}, complete: () => {} },
      },
    );
  }

  say(number: number): void {
    const [operation, field] =
      number % MUTATION_EVERY === 0 ? ["mutation", "do"] : ["query", "say"];
    const query = `${operation} { answer: ${field}(client: ${this.#id}, number: ${number}) }`;
    this.#client?.subscribe<{ answer: number }>(
      { query },
      {
        next: ({ data }) => {
          if (data) this.#heard?.answer(data.answer);
        },
        error: () => this.#heard?.told(number),
        complete: () => {},
      },
    );
  }

  close(): void {
    void this.#client?.dispose();
  }
}

export const graphql: App = {
  name: "graphql",
  title: "graphql-ws, queries, mutations and a subscription each, profile graphql-transport-ws",
  profile: "graphql-transport-ws",
  clients: 100,
  declared: [
    {
      ...{ holes: ["told"], kinds: ["drain", "death", "hang"] },
      text: "a mutation ends with an error if its server died, or took longer than 3 s",
    },
    {
      ...{ holes: ["again"], kinds: ["drain", "death", "hang"] },
      text: "queries went to the next server again if theirs died, or took longer than 3 s",
    },
  ],
  server: ({ port }) => ({ command: ["node", join(SERVERS, "graphql-server.mjs"), String(port)] }),
  client: ({ url, id, everyMs }) => new Talker(new GraphqlLine(url, id), { id, everyMs }),
};
