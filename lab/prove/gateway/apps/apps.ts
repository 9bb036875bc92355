// Owns: the applications of the gateway's proof.
import type { App } from "../app.ts";
import { echo, held, python } from "./echo.ts";
import { graphql } from "./graphql.ts";
import { handoffBun, handoffPython } from "./handoff.ts";
import { hocuspocus } from "./hocuspocus.ts";
import { mqtt } from "./mqtt.ts";
import { socketio, socketioRecovery } from "./socketio.ts";

export const APPS: readonly App[] = [
  ...[echo, python, socketio, socketioRecovery, hocuspocus, graphql],
  ...[mqtt, handoffBun, handoffPython, held],
];
