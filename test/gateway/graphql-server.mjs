// Owns: a server on graphql-ws that says its port. It counts mutations, and numbers the events of
// each subscription.
import { createServer } from "node:http";
import { buildSchema } from "graphql";
import { useServer } from "graphql-ws/use/ws";
import { WebSocketServer } from "ws";

const TICK_MS = 50;
const schema = buildSchema(`
  type Query { done: Int! say(number: Int!): Int! }
  type Mutation { do(number: Int!): Int! }
  type Subscription { ticks: Int! }
`);
let done = 0;
async function* ticks() {
  for (let tick = 1; ; tick++) {
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    yield { ticks: tick };
  }
}
const roots = {
  query: { done: () => done, say: ({ number }) => number },
  mutation: {
    do({ number }) {
      done += 1;
      return number;
    },
  },
  subscription: { ticks },
};
const server = createServer();
useServer({ schema, roots }, new WebSocketServer({ server }));
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  console.log(typeof address === "object" && address !== null ? address.port : 0);
});
