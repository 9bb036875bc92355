// Owns: the header: brand, connection state, node, and what this window's application experienced.
import type { ReactNode } from "react";
import { BrandMark } from "./brand-mark.tsx";
import { ThemeToggle } from "./theme-toggle.tsx";

/** What the strip shows. Times in ms; undefined if nothing was measured yet. */
export interface Status {
  readonly state: string;
  readonly node: string | undefined;
  readonly roundTripMs: number | undefined;
  readonly reconnects: number;
  readonly migrations: number;
  readonly lost: number;
  readonly duplicates: number;
  readonly longestPauseMs: number;
}

export function StatusStrip({ status }: { readonly status: Status }) {
  return (
    <header className="masthead">
      <div className="brand">
        <BrandMark />
        <h1>Holdfast</h1>
        <span className="tag">dev</span>
        <span className="spacer" />
        <a className="quiet" href="/" target="_blank" rel="noopener">
          Open a second window
        </a>
        <ThemeToggle />
      </div>
      <dl className="status" aria-label="Connection">
        <Item label="state">
          <span className="state" data-state={status.state} role="status" data-testid="state">
            {status.state}
          </span>
        </Item>
        <Item label="node">
          <span data-testid="node">{status.node ?? "–"}</span>
        </Item>
        <Item label="round trip">
          {status.roundTripMs === undefined ? "–" : milliseconds(status.roundTripMs)}
        </Item>
        <Item label="migrations">{status.migrations}</Item>
        <Item label="reconnects">{status.reconnects}</Item>
        <Item label="lost" bad={status.lost > 0}>
          {status.lost}
        </Item>
        <Item
          label="duplicates dropped"
          title="publications that came again and were not delivered again"
        >
          {status.duplicates}
        </Item>
        <Item
          label="longest pause"
          title="from losing a connection to being caught up on the next; a move has none"
        >
          {milliseconds(status.longestPauseMs)}
        </Item>
      </dl>
    </header>
  );
}

function Item(props: {
  readonly label: string;
  readonly bad?: boolean;
  readonly title?: string;
  readonly children: ReactNode;
}) {
  return (
    <div data-bad={props.bad} title={props.title}>
      <dt>{props.label}</dt>
      <dd>{props.children}</dd>
    </div>
  );
}

/** With a decimal below 10 ms. */
export function milliseconds(value: number): string {
  return `${value < 10 && value > 0 ? value.toFixed(1) : Math.round(value)} ms`;
}
