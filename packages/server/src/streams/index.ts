// Re-exports of the streams of clients over HTTP.
export {
  createEventsEndpoint,
  EVENTS_PATH,
  type EventsEndpoint,
  type EventsOptions,
  type EventsPath,
  SOCKET_PATH,
  TICKET_PATH,
} from "./endpoint.ts";
export { createForwarding } from "./forward.ts";
export { AskingSessions } from "./sessions.ts";
export { HttpSockets } from "./sockets.ts";
