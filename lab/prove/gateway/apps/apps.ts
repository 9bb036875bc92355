// Owns: the applications of the gateway's proof.
import type { App } from "../app.ts";
import { echo } from "./echo.ts";
import { socketio } from "./socketio.ts";

export const APPS: readonly App[] = [echo, socketio];
