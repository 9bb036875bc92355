// Owns: the table of profiles: one row for each name. Its options become a Profile.
import {
  boolean,
  bytes,
  choice,
  duration,
  integer,
  type Reading,
  structured,
  type ValuesOf,
} from "@holdfast/config";
import {
  graphqlTransportWs,
  HANDOFF_RULES,
  handoff,
  MQTT_RULES,
  mqtt,
  none,
  type Profile,
  replay,
  socketioProfile,
  stateless,
  yjsProfile,
} from "@holdfast/rehoming";
import { readFields } from "./fields.ts";
import { type Kind, readNamedKind } from "./kinds.ts";
import { MATCHES_ALLOWED, readMatches, readSetup, SETUP_ALLOWED } from "./replay-rules.ts";

/** A route's profile as the file says it. Two that are equal as JSON are the same. */
export interface ProfileOptions {
  readonly kind: string;
  readonly options: unknown;
  readonly profile: Profile;
}

/** One profile. */
export interface ProfileKind extends Kind<ProfileOptions> {
  /** What attaching to a new upstream takes, for the reference. */
  readonly description: string;
  /** What a deploy of the service does to its clients. */
  readonly onDeploy: "kept" | "holes" | "closed";
  /** What may be missing afterwards, and who is told. For people: `holdfast gateway check`. */
  readonly holes: string;
  /** Its options, for the reference. */
  readonly fields: object;
}

function profile<F extends object>(
  name: string,
  row: Omit<ProfileKind, "read" | "fields"> & {
    readonly fields: F;
    readonly make: (values: ValuesOf<F>) => Profile;
  },
): ProfileKind {
  const { make, ...facts } = row;
  return {
    ...facts,
    read(found) {
      const reading = readFields(row.fields, found);
      if (!reading.ok) return reading;
      const { value: options } = reading;
      return { ok: true, value: { kind: name, options, profile: make(options) } };
    },
  };
}

/** By name. An owner of a profile adds a row here; reading, checks and reference follow from it. */
export const PROFILE_KINDS: Readonly<Record<string, ProfileKind>> = {
  none: profile("none", {
    description: "Frames pass. A client whose server goes is closed with 1012, in pace.",
    onDeploy: "closed",
    holes: "clients connect anew",
    fields: {},
    make: () => none,
  }),
  stateless: profile("stateless", {
    description: "The same request again: URL, headers, cookies and subprotocol.",
    onDeploy: "holes",
    holes: "what the former server had taken and not answered; nobody is told",
    fields: {},
    make: () => stateless,
  }),
  replay: profile("replay", {
    description: "Set-up frames of the client again, in order; those taken back are left out.",
    onDeploy: "holes",
    holes:
      "what the route does not declare, and what the former server had taken and not answered; nobody is told",
    fields: {
      first: integer({
        default: 0,
        min: 0,
        max: 100,
        description: "So many first frames of a client are replayed, whatever they say.",
      }),
      setup: structured({
        kind: "entries",
        default: [],
        allowed: SETUP_ALLOWED,
        read: readSetup,
        description:
          "Which frames of the client are replayed. `match`: a `prefix`, or `json` with values by path (null: any value). `key`: path of what the frame is about; a later frame about it replaces it. `until`: a frame that takes it back.",
      }),
      answers: structured({
        kind: "entries",
        default: undefined,
        allowed: MATCHES_ALLOWED,
        read: readMatches,
        description:
          "Frames of the server that answer replayed frames, one each. They are swallowed, because the client had them.",
      }),
    },
    make: ({ first, setup, answers }) =>
      replay({ first, remember: setup, ...(answers === undefined ? {} : { answers }) }),
  }),
  "graphql-transport-ws": profile("graphql-transport-ws", {
    description:
      "`connection_init` again, live subscriptions and queries in flight again; a mutation never.",
    onDeploy: "holes",
    holes:
      "events between two servers; a mutation without an answer ends with an error at the client",
    fields: {
      subscriptions: choice({
        of: ["continue", "error"],
        default: "continue",
        description:
          "What a live subscription hears of a move. `continue`: nothing. `error`: it ends with an error, so that the application fetches anew.",
      }),
    },
    make: (rules) => graphqlTransportWs(rules),
  }),
  yjs: profile("yjs", {
    description:
      "Logins again, then the server is asked for what the client lacks, and asks the client in turn.",
    onDeploy: "kept",
    holes:
      "documents: none. Who leaves while a client is between two servers is seen for up to 30 s; a stateless message of Hocuspocus that a server had taken may stay without an answer; nobody is told",
    fields: {
      dialect: choice({
        of: ["y-websocket", "hocuspocus"],
        default: "y-websocket",
        description:
          "What the messages look like. `y-websocket`: a document for each socket, which the URL names. `hocuspocus`: a document's name in each message.",
      }),
      unacknowledgedBytesMax: bytes({
        default: 65_536,
        min: 0,
        max: 1024 * 1024,
        description:
          "Hocuspocus acknowledges updates. So many bytes of updates without an acknowledgement are kept for the next server. It asks the client for the rest. More than half of limits.waitingBytesMax leaves too little for all else.",
      }),
    },
    make: (rules) => yjsProfile(rules),
  }),
  socketio: profile("socketio", {
    description:
      "Each namespace is joined again with its login, and with session and offset if servers recover connections. Pings end in the gateway.",
    onDeploy: "holes",
    holes:
      "with connection state recovery: none in a drain. Without: rooms and events between two servers; the client hears `connect` again. Clients that begin with polling are not held",
    fields: {
      idempotent: boolean({
        default: false,
        description:
          "Events that want an acknowledgement and have none are sent to the next server, too.",
      }),
      unanswered: choice({
        of: ["close", "timeout"],
        default: "close",
        description:
          "What becomes of other events without an acknowledgement. `close`: the client is closed with 1012, and its handlers get an error. `timeout`: the client's own timeouts run.",
      }),
      connectAgain: boolean({
        default: true,
        description:
          "The client gets `connect` again if the next server does not know its session, so that it joins its rooms again.",
      }),
      recoverAfterMs: duration({
        default: 25,
        min: 0,
        max: 5000,
        description:
          "How long a server may take to put a session aside before the next one is asked for it.",
      }),
    },
    make: (rules) => socketioProfile(rules),
  }),
  handoff: profile("handoff", {
    description:
      "For servers that speak `holdfast.handoff.v1`: the state that the application gave, and again what it does not reflect.",
    onDeploy: "kept",
    holes: "none",
    fields: {
      stateBytesMax: bytes({
        default: HANDOFF_RULES.stateBytesMax,
        min: 0,
        max: 1024 * 1024,
        description:
          "Of an application's state for one client. A larger one closes the client with 1011.",
      }),
      uncommittedBytesMax: bytes({
        default: HANDOFF_RULES.uncommittedBytesMax,
        min: 1024,
        max: 16 * 1024 * 1024,
        description:
          "That an application may send to a client before it commits them. More closes the client with 1011.",
      }),
      unacknowledgedBytesMax: bytes({
        default: HANDOFF_RULES.unacknowledgedBytesMax,
        min: 1024,
        max: 16 * 1024 * 1024,
        description: "Of a client that no commit covers, from which on it is read no further.",
      }),
      commitMsMax: duration({
        default: HANDOFF_RULES.commitMsMax,
        min: 100,
        max: 600_000,
        description:
          "How long a client's message may be without a commit. Within twice the time the server is taken for dead, and the client gets another.",
      }),
    },
    make: (rules) => handoff(rules),
  }),
  mqtt: profile("mqtt", {
    description:
      "Login again with clean start 0; subscriptions again if the broker has no session; QoS 1 and 2 without an acknowledgement again, with DUP.",
    onDeploy: "holes",
    holes:
      "QoS 0 while between two brokers; what a session had that the next broker does not know. `lostSession` says whether the client is told",
    fields: {
      lostSession: choice({
        of: ["subscribe", "close"],
        default: MQTT_RULES.lostSession,
        description:
          "The next broker has no session of a client that had one. `subscribe`: its subscriptions are made again. `close`: it is closed with 1012, so that it sees that when it connects.",
      }),
      packetBytesMax: bytes({
        default: MQTT_RULES.packetBytesMax,
        min: 1024,
        max: 64 * 1024 * 1024,
        description: "Of a packet, in either direction. A longer one closes the client with 1009.",
      }),
      unacknowledgedBytesMax: bytes({
        default: MQTT_RULES.unacknowledgedBytesMax,
        min: 1024,
        max: 16 * 1024 * 1024,
        description:
          "Of a client's packets that the broker has not acknowledged, from which on the client is read no further.",
      }),
      pingMsMax: duration({
        default: MQTT_RULES.pingMsMax,
        min: 100,
        max: 600_000,
        description:
          "How long a broker may be silent after a client's ping. Then it is taken for dead, and the client gets another.",
      }),
    },
    make: (rules) => mqtt(rules),
  }),
};

export const readProfile = (found: unknown): Reading<ProfileOptions> =>
  readNamedKind(PROFILE_KINDS, found);
