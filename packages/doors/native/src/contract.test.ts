import { type ClientCodec, type ClientFrame, jsonClientCodec } from "@holdfast/protocol";
import { msgpackClientCodec } from "@holdfast/protocol/msgpack";
import { describeDoor } from "@holdfast/testkit/contract";
import { createNativeDoor } from "./native-door.ts";

for (const codec of [jsonClientCodec, msgpackClientCodec] satisfies ClientCodec[])
  describeDoor(codec.subprotocol, (engine, link) => {
    const client = createNativeDoor(engine).accept(codec.subprotocol).open(link);
    const send = (frame: ClientFrame<unknown>): void => client.message(codec.encode(frame));
    let id = 0;
    return {
      connect: () => send({ t: "connect", id: ++id }),
      subscribe: (ch) => send({ t: "subscribe", id: ++id, ch }),
      publish: (ch, data) => send({ t: "publish", id: ++id, ch, data }),
      sayNonsense: () => client.message(codec.name === "json" ? "{" : new Uint8Array([0xc1])),
      received: () =>
        link.messages
          .splice(0)
          .flatMap((message) => codec.decode(message))
          .flatMap((frame) => (frame.t === "pub" ? [String(frame.data)] : [])),
      lose: () => client.closed(),
    };
  });
