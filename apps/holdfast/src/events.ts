// Owns: every event of this program that gets a line in the log: one function for each. The
// server's package has the events of a node.
import type { Logger } from "@holdfast/server";
import type { StopSignal } from "./host.ts";

export type AppEvents = ReturnType<typeof appEvents>;

export function appEvents(log: Logger) {
  return {
    // ---- a node's life, as its process sees it ----
    /** Values that the configuration ignored on purpose. */
    configurationNote: (note: string) => log.warn("configuration_note", { note }),
    insecure: () =>
      log.warn("auth_insecure", {
        note: "everyone who can reach this node may do what its channels allow anyone",
      }),
    resumeSecretRandom: () =>
      log.warn("resume_secret_random", {
        note: "sessions cannot be resumed on other nodes; set HOLDFAST_AUTH_RESUME_SECRET to the same on all",
      }),
    fewDescriptors: (fields: { filesMax: number; connectionsMax: number }) =>
      log.warn("open_files_limit_low", fields),
    stopping: (fields: {
      signal: StopSignal;
      preDelayMs: number;
      windowMs: number;
      connections: number;
    }) => log.info("stopping", fields),
    /** A signal to stop came before the node was ready: no client is connected. */
    startGivenUp: (fields: { signal: StopSignal }) => log.info("start_given_up", fields),
    /** A second signal or the deadline ended the process before everyone had left. */
    forced: (fields: { by: "signal" | "deadline"; cut: number }) => log.warn("stop_forced", fields),
    stopped: (fields: { exitCode: number }) => log.info("stopped", fields),
    /** `waiting` options have changed too and need a new process. */
    settingsReloaded: (fields: { taken: readonly string[]; waiting: readonly string[] }) =>
      log.info("settings_reloaded", fields),
    settingsRefused: (fields: { reason: string }) => log.error("settings_refused", fields),
    exception: (error: unknown) => log.error("uncaught_exception", { error }),
    rejection: (error: unknown) => log.error("unhandled_rejection", { error }),

    // ---- holdfast dev ----
    restarting: (fields: { why: string }) => log.info("restarting", fields),
    restarted: (fields: { tookMs: number }) => log.info("restarted", fields),
    nodeKept: (fields: { why: string }) => log.warn("node_kept", fields),
    waitingForContract: (fields: { file: string }) => log.info("waiting_for_contract", fields),
    /** A node of a fleet can be reached; the ports are its own. */
    nodeServing: (fields: { node: string; revision: string; port: number; internalPort: number }) =>
      log.info("node_serving", fields),
    /** `node` if there are several. */
    nodeDied: (fields: { status: number; node?: string }) => log.error("node_died", fields),
    nodeKilled: (fields: { why: string }) => log.warn("node_killed", fields),
    deviceFailed: (error: unknown) => log.debug("demo_device_failed", { error }),
    watchFailed: (error: unknown) => log.warn("watch_failed", { error }),
    parentGone: () => log.info("supervisor_gone"),
  };
}
