// Owns: a server on graphql-ws. It answers queries and mutations, and numbers the events of each
// subscription.
import { buildSchema } from "graphql";
import { useServer } from "graphql-ws/use/ws";
import { WebSocketServer } from "ws";
import { took } from "./ledger.mjs";

const PUSH_MS = 500;
/** Longest time that sockets may take to close when the server ends. */
const END_MS = 1000;

const schema = buildSchema(`
  type Tick { home: String! push: Int! }
  type Query { say(client: Int!, number: Int!): Int! }
  type Mutation { do(client: Int!, number: Int!): Int! }
  type Subscription { ticks: Tick! }
`);
let subscriptions = 0;
const answer = ({ client, number }) => {
  took(`${client} ${number}`);
  return number;
};

async function* ticks() {
  const home = `${process.pid}.${++subscriptions}`;
  for (let push = 1; ; push++) {
    await new Promise((resolve) => setTimeout(resolve, PUSH_MS));
    yield { ticks: { home, push } };
  }
}

const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]) });
const door = useServer(
  { schema, roots: { query: { say: answer }, mutation: { do: answer }, subscription: { ticks } } },
  server,
);
process.on("SIGTERM", () => {
  void door.dispose();
  setTimeout(() => process.exit(0), END_MS);
});
