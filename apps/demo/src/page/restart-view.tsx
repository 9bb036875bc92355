// Owns: the look of the restart: the button, the strip of heartbeats, and what was measured.
import type { ReactNode } from "react";
import { RestartTimeline } from "./restart-timeline.tsx";
import { LEAD_MS, type RestartReport, SETTLE_MS } from "./restart-watch.ts";
import { milliseconds } from "./status-strip.tsx";

export interface RestartViewProps {
  /** How many nodes serve this page: of several, all are replaced. */
  readonly fleetSize: number;
  /** The nodes, if there are several. */
  readonly fleet: ReactNode;
  /**
   * True from asking until this window is on the new node, and until all nodes of a fleet are
   * replaced.
   */
  readonly busy: boolean;
  readonly failure: string | undefined;
  readonly report: RestartReport | undefined;
  readonly nodes: readonly string[];
  readonly totals: {
    readonly received: number;
    readonly missing: number;
    readonly duplicated: number;
  };
  readonly intervalMs: number;
  readonly onRestart: () => void;
  readonly strip: ReactNode;
}

export function RestartView(props: RestartViewProps) {
  const { report, totals } = props;
  const words = props.fleetSize === 1 ? oneNode : severalNodes;
  return (
    <section className="plate restart" aria-labelledby="restart-title">
      {props.fleet}
      <div className="ask">
        <h2 id="restart-title">{words.title}</h2>
        <p>
          A device publishes a numbered heartbeat every {props.intervalMs} ms. Each tick is one that
          reached this window, in the colour of the node that delivered it.{words.more}
        </p>
        <button
          type="button"
          className="primary"
          onClick={() => props.busy || props.onRestart()}
          aria-disabled={props.busy}
          data-testid="restart"
        >
          {props.busy ? words.busy : words.button}
        </button>
      </div>
      <figure className="strip">
        {props.strip}
        <figcaption>
          <span>last 60 s in this window</span>
          <Count label="received" value={totals.received} />
          <Count label="missing" value={totals.missing} bad />
          <Count label="duplicated" value={totals.duplicated} bad />
        </figcaption>
      </figure>
      <div aria-live="polite" className="verdict" data-testid="verdict">
        {props.failure && <p className="failure">{props.failure}</p>}
        {report && <Verdict report={report} />}
      </div>
      {report && <Measured report={report} nodes={props.nodes} intervalMs={props.intervalMs} />}
    </section>
  );
}

const oneNode = {
  title: "Restart the node under this page",
  more: "",
  button: "Restart the node",
  busy: "Restarting…",
};
const severalNodes = {
  title: "Roll the nodes under this page",
  more: " A roll replaces every node, one after the other.",
  button: "Roll the nodes",
  busy: "Rolling…",
};

function Count(props: { readonly label: string; readonly value: number; readonly bad?: boolean }) {
  return (
    <span data-bad={props.bad && props.value > 0}>
      {props.label} <b>{props.value}</b>
    </span>
  );
}

/** One sentence for people and for screen readers; it changes only when a figure in it does. */
function Verdict({ report }: { readonly report: RestartReport }) {
  const good =
    report.missing === 0 &&
    report.duplicated === 0 &&
    report.left.length === 0 &&
    report.states.length === 0;
  return (
    <p className="headline" data-good={good}>
      <b>
        {report.missing} missing, {report.duplicated} duplicated, {leavers(report.left)}.
      </b>{" "}
      Delivery paused for <b className="pause">{milliseconds(report.pauseMs)}</b>.{" "}
      {report.states.length === 0
        ? "The connection stayed connected."
        : `The connection went ${report.states.join(", ")}.`}
    </p>
  );
}

function leavers(left: readonly string[]): string {
  return left.length === 0 ? "nobody left the room" : `left the room: ${left.join(", ")}`;
}

/**
 * Open in the window that asked for the restart. Closed in other windows, so that their pages do
 * not jump.
 */
function Measured(props: {
  readonly report: RestartReport;
  readonly nodes: readonly string[];
  readonly intervalMs: number;
}) {
  const { report } = props;
  const [last, ...before] = report.moves.toReversed();
  return (
    <details className="measured" open={report.askedHere}>
      <summary>What this window measured</summary>
      <p className="route">
        <code data-testid="from-node">{report.fromNode}</code>
        {before.toReversed().map(({ node, afterMs }) => (
          <Step key={afterMs}>
            <code>{node}</code>
          </Step>
        ))}
        <Step>
          <code data-testid="to-node">{last?.node}</code>
        </Step>
        <span className="note">
          {report.askedHere
            ? `this window moved after ${report.moves.map(({ afterMs }) => milliseconds(afterMs)).join(" and ")}`
            : "asked for elsewhere; times are from this window's move"}
        </span>
      </p>
      <RestartTimeline timeline={report.timeline} nodes={props.nodes} pauseMs={report.pauseMs} />
      <p className="method">
        Pause: the longest interval between two heartbeats from{" "}
        {report.askedHere ? "the moment of asking" : `${LEAD_MS / 1000} s before this window moved`}{" "}
        to {SETTLE_MS / 1000} s after {report.askedHere ? "this window moved" : "it did"}, less the
        normal {props.intervalMs} ms; in the 10 s before it was {milliseconds(report.usualPauseMs)}.
        Missing and duplicated: the device's own numbers, {report.received} heartbeats. Everything
        is measured in this window, so the device's side of the move counts too. Watched for{" "}
        {Math.floor(report.watchedMs / 1000)} s since the move.
      </p>
    </details>
  );
}

function Step({ children }: { readonly children: ReactNode }) {
  return (
    <>
      <span aria-hidden="true">→</span>
      <span className="unseen">to</span>
      {children}
    </>
  );
}
