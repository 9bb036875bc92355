// Re-exports of the streams of clients over HTTP.
export {
  createEventsEndpoint,
  EVENTS_PATH,
  type EventsEndpoint,
  type EventsOptions,
  TICKET_PATH,
} from "./endpoint.ts";
export { AskingSessions } from "./sessions.ts";
