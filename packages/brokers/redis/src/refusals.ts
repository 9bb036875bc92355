// Owns: the meaning of a server's refusal: the code and the text of its BrokerError.
import { BrokerError } from "@holdfast/core";
import type { ReplyError } from "./reply.ts";

type Row = readonly [code: BrokerError["code"], meaning: string];

/** By the first word of the server's answer, which is part of Redis' protocol. */
const MEANINGS: Readonly<Record<string, Row>> = {
  OOM: ["full", "it is at maxmemory"],
  NOREPLICAS: ["unavailable", "fewer replicas follow than min-replicas-to-write asks for"],
  READONLY: ["unavailable", "the server is a replica now"],
  MASTERDOWN: ["unavailable", "the server is a replica that has lost its primary"],
  LOADING: ["unavailable", "it is reading its data from its disk"],
  MISCONF: ["unavailable", "it cannot write to its disk and takes no writes"],
  BUSY: ["unavailable", "it is busy with a script"],
  CLUSTERDOWN: ["unavailable", "the cluster has no primary for a slot"],
  TRYAGAIN: ["unavailable", "a slot of the cluster is moving"],
  ASK: ["unavailable", "a slot of the cluster is moving"],
  MOVED: ["unavailable", "a slot is on another node of a cluster, whose URL is redis+cluster://"],
  NOPERM: ["refused", "the account lacks a right"],
  NOAUTH: ["refused", "it wants a password"],
  WRONGPASS: ["refused", "the name or the password is wrong"],
  CROSSSLOT: ["internal", "the keys of one call are in several slots"],
  HFSHARE: ["share", "the user or address has as much as it may have"],
  HFFENCED: ["fenced", "another took the state, or it ended"],
  HFLIMIT: ["limit", "the channel has as many members as it may have"],
};

/** The connection is to a server that has changed its role or its data. */
const MISLED = new Set(["READONLY", "MASTERDOWN", "LOADING"]);

export const misleads = ({ code }: ReplyError): boolean => MISLED.has(code);

/** Only the code of the server's text is passed on: the text may hold parts of the command. */
export function refusalOf(reply: ReplyError): BrokerError {
  const [code, meaning] = MEANINGS[reply.code] ?? ["internal", "it did not say why"];
  return new BrokerError(code, `the broker refused: ${meaning} (${reply.code})`, { cause: reply });
}
