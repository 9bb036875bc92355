// Owns: the types of an application behind the gateway: its servers, and its library's clients.
import type { StepKind } from "./step-kind.ts";

/** What clients of one application saw in one step. */
export interface Account {
  /** Frames of clients, and answers to them. One answer each. */
  readonly sent: number;
  readonly answered: number;
  /** Answered by an error that the profile says: nobody knows whether it was done. */
  readonly told: number;
  readonly unanswered: number;
  readonly doubled: number;
  readonly outOfOrder: number;
  /** Frames that servers sent by themselves and that did not come, or came twice or too early. */
  readonly pushed: number;
  readonly pushesWrong: number;
  /** Of these, those that came twice. */
  readonly pushesTwice: number;
  /** Clients that got a new place at the servers, without a close: what was sent is unknown. */
  readonly anew: number;
  /** Sockets that closed, by code. Each client then connects anew. */
  readonly closes: Readonly<Record<number, number>>;
  /** Of each client the longest time from a frame to its answer, in ms. */
  readonly longestMs: readonly number[];
  /** Of each client the longest time without any answer, in ms: also while it had no socket. */
  readonly silentMs: readonly number[];
  /** Frames without an answer, as servers write them into their ledgers: `CLIENT NUMBER`. */
  readonly missing: readonly string[];
}

/** What a client, or a server, has of a document. */
export interface DocumentState {
  readonly name: string;
  /** A digest of all its bytes. */
  readonly digest: string;
}

/** One client: it talks all the time, and connects anew if its socket closes. */
export interface AppClient {
  /** Resolves when it is connected. */
  open(): Promise<void>;
  /** A step begins: counts begin anew. Frames under way belong to the step before. */
  begin(): void;
  /** Stops talking, waits for what is under way, and counts. It goes on with `begin`. */
  account(waitMs: number): Promise<Account>;
  /** Its document, if the application has documents. */
  document?(): DocumentState;
  close(): void;
}

export interface ClientOptions {
  readonly url: string;
  readonly id: number;
  /** Between two frames. */
  readonly everyMs: number;
}

/** Where a server of an application runs. */
export interface ServerPlace {
  readonly port: number;
  /** Of its own, which is empty. */
  readonly folder: string;
}

export interface ServerCommand {
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** What may be missing or come twice, by the profile's own word. */
export type Hole = "answers" | "told" | "doubled" | "pushes" | "again" | "place";

/** A hole of the profile in steps of some kinds. */
export interface DeclaredHole {
  readonly holes: readonly Hole[];
  readonly kinds: readonly StepKind[];
  /** A sentence for the report. */
  readonly text: string;
}

/** What an application needs beside its servers. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string>>;
  end(): Promise<void>;
}

export interface App {
  readonly name: string;
  readonly title: string;
  /** As the gateway's file has it. */
  readonly profile: unknown;
  /** Clients with the same value of this field of the query must share a server. */
  readonly keyQuery?: string;
  /** How many clients a full run has. */
  readonly clients: number;
  /** Between two frames of a client, if it is not that of the plan. */
  readonly everyMs?: number;
  /** It is for these steps alone. */
  readonly steps?: readonly string[];
  /** What stands before it unless the plan says. Default: the gateway. */
  readonly fronts?: readonly string[];
  readonly declared: readonly DeclaredHole[];
  /** Its server understands `flood`: it sends much, and looks at nobody's pace. */
  readonly floods?: true;
  /** Throws `node_unusable` if something is missing. The port says that it is ready. */
  server(place: ServerPlace): ServerCommand;
  surroundings?(folder: string): Promise<Surroundings>;
  client(options: ClientOptions): AppClient;
  /** What a server has of its documents; those that nobody has open are not there. */
  documentsOf?(address: string, names: readonly string[]): Promise<readonly DocumentState[]>;
}
