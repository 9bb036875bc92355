// Owns: the schemas of the control API's answers.
import { PROFILE_KINDS } from "../options/profile-kinds.ts";
import { flag, listOf, number, object, orNull, type Schema, text, whole } from "./schemas.ts";

const ROUTE = object({
  name: text("Its name."),
  host: orNull(text("Requests for this host; null: for every host.")),
  path: text("Requests whose path is this one, or lies below it."),
  profile: text("How its clients are re-homed.", { enum: Object.keys(PROFILE_KINDS) }),
  onDeploy: orNull(
    text("What a deploy of its service does to its clients.", {
      enum: ["kept", "holes", "closed"],
    }),
  ),
  service: text("How its endpoints are found."),
  clients: whole("Clients that are held."),
  taking: whole("Endpoints that take clients."),
  trouble: orNull(text("Why nothing newer is known of its endpoints.")),
});

/** One endpoint, also the answer to an order about it. */
export const ENDPOINT = object(
  {
    route: text("Name of its route."),
    address: text("`host:port`."),
    state: text("`ill`: taken out for a while; `waiting`: it takes nobody and keeps its clients.", {
      enum: ["taking", "ill", "leaving", "waiting"],
    }),
    connections: whole("Open and opening sockets, and requests under way."),
    weight: whole("Its share of new clients, compared with the others'."),
    zone: text("Where it is."),
    revision: text("Of its application."),
    handshakeMs: number("What its handshakes took lately, on average."),
    isDrained: flag("Ordered to drain."),
    fence: whole("The highest token of an order that was obeyed; 0: none had one."),
    sessions: whole("Its clients that can move."),
    fixedSockets: whole("Its clients and requests that cannot."),
    drain: object({ deadlineInMs: whole("Until the window is over. Absent: it has no end.") }, [
      "deadlineInMs",
    ]),
    shed: object({
      keep: whole("Clients that stay."),
      remaining: whole("Clients that are still to go."),
    }),
    felt: object({
      connectionMinutes: number("Time of all its connections together."),
      resumes: whole("Clients that were moved here."),
      resumesFailed: whole("Clients that were to be moved here, and were not."),
      closedAbnormally: whole("Sockets that ended without a closing handshake."),
      lost: whole("Frames of clients that it would have got, and that nobody got."),
    }),
  },
  ["zone", "revision", "handshakeMs", "drain", "shed"],
);

const SESSION = object({
  id: text("Its name, which its servers hear as `Holdfast-Session`."),
  route: text("Name of its route."),
  endpoint: orNull(text("Where it is; null: between two.")),
  client: text("The client's address."),
  requestId: text("Of its handshake."),
  isMoving: flag("It is on its way to another endpoint."),
  seconds: whole("For how long it is held."),
});

const page = (what: string, row: Schema, more: Readonly<Record<string, Schema>> = {}): Schema =>
  object({
    ...more,
    [what]: listOf(row),
    total: whole("Rows of all pages together."),
    next: orNull(text("What `after` is for the next page; null: this is the last.")),
  });

export const ROUTES_PAGE = page("routes", ROUTE);
export const ENDPOINTS_PAGE = page("endpoints", ENDPOINT, {
  gateway: text("Name of this gateway."),
  startedAtMs: whole("When its process started, in ms since 1970. Counts began then."),
});
export const SESSIONS_PAGE = page("sessions", SESSION);
export const ENDED = object({
  id: text("The session."),
  code: whole("The close code that it got."),
});
export const PROBLEM = object(
  {
    type: text("`urn:holdfast:problem:` and the code."),
    status: whole("The HTTP status."),
    code: text("For programs.", {
      enum: [
        ...["internal", "method_not_allowed", "not_found", "order_refused", "overloaded"],
        ...["permission_denied", "rate_limited", "request_invalid", "unauthorized"],
      ],
    }),
    detail: text("For people: what was found, what is expected."),
    path: text("The part of the request that is wrong."),
  },
  ["path"],
);
