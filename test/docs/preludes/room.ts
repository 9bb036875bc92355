// Owns: a client and one of its channels, for samples that use them.
import { Holdfast } from "@holdfast/client";
import type contract from "./holdfast.config.ts";

const hf = new Holdfast<typeof contract>("ws://localhost:8000/connect");
const room = hf.channel("chat:lobby");
// sample
await room.publish({ text: "the sample has ended" });
// One more answer: what was published before it has then arrived at the sample's subscriptions.
await room.history({ limit: 1 }).catch(() => undefined);
await hf.close();
