// Owns: the one table of operations of the HTTP API.
import type { Route, StreamRoute } from "../route.ts";
import { historyStream } from "./history-stream.ts";
import {
  disconnect,
  drain,
  historyRemove,
  nodeDrain,
  nodeUndrain,
  shed,
  undrain,
  unsubscribe,
} from "./manage.ts";
import { broadcast, publish, rpc } from "./publish.ts";
import { channels, history, info, nodes, presence, sessions } from "./read.ts";

export const API_BASE = "/api/v1";

/** Every operation but `batch`, which is made of these. Paths are below API_BASE and unique. */
export const ROUTES: readonly Route[] = [
  publish,
  broadcast,
  history,
  historyRemove,
  presence,
  channels,
  sessions,
  disconnect,
  unsubscribe,
  rpc,
  info,
  drain,
  undrain,
  shed,
  nodes,
  nodeDrain,
  nodeUndrain,
];

/** Operations that answer a stream of events. */
export const STREAM_ROUTES: readonly StreamRoute[] = [historyStream as StreamRoute];
