// Owns: every event of the operator that gets a line in the log: one function for each.
import type { OperatorEvents, RuntimeEvents } from "@holdfast/operator-runtime";
import type { Logger } from "@holdfast/server";
import type { ScalerTermEvent } from "./scaler/term.ts";

export type OperatorLog = ReturnType<typeof operatorLog>;

export function operatorLog(log: Logger) {
  const events: OperatorEvents & RuntimeEvents = {
    reconciled: ({ set, outcome, actions, tookMs }) => {
      if (actions.length > 0 || outcome !== "done")
        log.debug("reconciled", { set, outcome, actions: actions.join(" "), tookMs });
    },
    acted: (set, action, outcome) => {
      if (outcome !== "done") log.debug("action_refused", { set, action, outcome });
    },
    asked: (set, outcome) => {
      if (outcome !== "answered") log.debug("data_plane_silent", { set, outcome });
    },
    told: (set, reason, note) => log.info("set_event", { set, reason, note }),
    figures: () => {},
    forgotten: (set) => log.info("set_gone", { set }),
    failed: (what, error) => log.warn("operator_work_failed", { what, error }),
    leads: (epoch) => log.info("leads", { epoch }),
    lost: (because) => log.warn("lease_lost", { because }),
    watch: (kind, event) => {
      if (event.type === "failed")
        log.warn("watch_failed", { kind, error: event.error, retryMs: event.retryMs });
      else if (event.type === "threw") log.error("watch_threw", { kind, error: event.error });
      else log.debug("watch", { kind, ...event });
    },
    noted: ({ type, error }) => {
      if (type === "dropped" || type === "failed") log.debug("event_lost", { type, error });
    },
    lease: (event) => {
      if (event.type === "failed") log.warn("lease_failed", { error: event.error });
      else if (event.type === "holder") log.info("lease_holder", { holder: event.holder });
    },
    queueFull: (set) => log.error("queue_full", { set }),
  };
  return {
    events,
    started: (fields: { identity: string; namespaces: string; port: number }) =>
      log.info("operator_started", fields),
    scaler: (event: ScalerTermEvent) => {
      if (event.type === "failed") log.error("scaler_failed", { error: event.error });
      else if (event.type === "listens") log.info("scaler_listens", { port: event.port });
      else log.info("scaler_closed", {});
    },
    stopping: (fields: { signal: string }) => log.info("stopping", fields),
    stopped: () => log.info("stopped", {}),
    exception: (error: unknown) => log.error("uncaught_exception", { error }),
    rejection: (error: unknown) => log.error("unhandled_rejection", { error }),
  };
}

/** Both hear everything. */
export function bothHear(
  one: OperatorEvents & RuntimeEvents,
  other: OperatorEvents & RuntimeEvents,
): OperatorEvents & RuntimeEvents {
  return {
    reconciled: (info) => {
      one.reconciled(info);
      other.reconciled(info);
    },
    acted: (set, action, outcome) => {
      one.acted(set, action, outcome);
      other.acted(set, action, outcome);
    },
    asked: (set, outcome) => {
      one.asked(set, outcome);
      other.asked(set, outcome);
    },
    told: (set, reason, text) => {
      one.told(set, reason, text);
      other.told(set, reason, text);
    },
    figures: (set, figures) => {
      one.figures(set, figures);
      other.figures(set, figures);
    },
    forgotten: (set) => {
      one.forgotten(set);
      other.forgotten(set);
    },
    failed: (what, error) => {
      one.failed(what, error);
      other.failed(what, error);
    },
    leads: (epoch) => {
      one.leads(epoch);
      other.leads(epoch);
    },
    lost: (because) => {
      one.lost(because);
      other.lost(because);
    },
    watch: (kind, event) => {
      one.watch(kind, event);
      other.watch(kind, event);
    },
    noted: (event) => {
      one.noted(event);
      other.noted(event);
    },
    lease: (event) => {
      one.lease(event);
      other.lease(event);
    },
    queueFull: (set) => {
      one.queueFull(set);
      other.queueFull(set);
    },
  };
}
