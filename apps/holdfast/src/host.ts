// Owns: the interface between commands and their process. Only main.ts uses the process itself.

export type StopSignal = "SIGINT" | "SIGTERM" | "SIGHUP";

/** Messages between `holdfast dev` and the nodes that it starts. */
export type ToSupervisor =
  /** It serves on these ports. */
  | { readonly kind: "ready"; readonly port: number; readonly internalPort: number }
  | {
      readonly kind: "refused";
      readonly cause: "contract" | "start";
      readonly problems: readonly string[];
    }
  | { readonly kind: "restart" };
export type ToNode = { readonly kind: "end" };

/** The channel to the process that started this one. */
export interface Parent {
  send(message: ToSupervisor): void;
  onMessage(listener: (message: unknown) => void): void;
  /** Called once, also if the parent was killed. */
  onGone(listener: () => void): void;
}

export interface Host {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Program and script that start this command again. */
  readonly self: readonly [string, ...string[]];
  /**
   * Whether this is the self-contained executable: no sources and no node_modules lie beside it.
   */
  readonly packed: boolean;
  /** Whether standard output understands colours. */
  readonly colors: boolean;
  readonly parent: Parent | undefined;
  /** Standard error, if it is a terminal. */
  readonly screen?: { readonly columns: () => number };
  /** Writes to standard output and standard error as given. */
  out(text: string): void;
  err(text: string): void;
  /**
   * From now on these signals do not end the process. One listener at a time. A node hears at once
   * of those that came before.
   */
  onSignal(listener: (signal: StopSignal) => void): void;
  /** An uncaught error. After an `exception` the process's state may be wrong. */
  onFault(listener: (kind: "exception" | "rejection", error: unknown) => void): void;
  /** Ends the process without waiting for anything. */
  exit(code: number): void;
}
