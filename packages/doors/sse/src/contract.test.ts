import { HandLink } from "@holdfast/testkit";
import { describeDoor } from "@holdfast/testkit/contract";
import { createRequestDoor } from "./request-door.ts";
import { createStreamDoor, type StreamClient } from "./stream-door.ts";
import { eventsIn } from "./testing.ts";

for (const format of ["sse", "ndjson"] as const)
  describeDoor(`${format}, with requests by POST`, (engine, link) => {
    const readers = createStreamDoor(engine, { next: () => 0 });
    const requests = createRequestDoor(engine);
    let reader: StreamClient | undefined;
    return {
      // A reader connects with its channels.
      connect: () => {},
      subscribe: (channel) => {
        const request = { channels: [channel], places: new Map(), format };
        reader = readers.open(link, request, () => {});
      },
      publish: (channel, text) => {
        const client = requests.open(new HandLink(), undefined);
        const data = { kind: "json", text: JSON.stringify(text) } as const;
        void client.ask({ t: "publish", ch: channel, data }, 10).then(() => client.closed());
      },
      sayNonsense: () => reader?.message("?"),
      received: () =>
        eventsIn(format, link.messages.splice(0).map(String).join("")).flatMap(({ event, data }) =>
          event === "publication" ? [String(data.data)] : [],
        ),
      lose: () => reader?.closed(),
    };
  });
