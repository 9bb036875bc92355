// Owns: the page of pipelines: its landmarks, the strip, and a panel for each pipeline and source.
import { useRef, useState } from "react";
import { BrandMark } from "./brand-mark.tsx";
import type { PipelineSight, SourceSight } from "./live-board.ts";
import { count, duration } from "./live-words.ts";
import { PipelinePlate } from "./pipeline-plate.tsx";
import { ThemeToggle } from "./theme-toggle.tsx";

export interface PipelinesPageProps {
  readonly state: string;
  readonly nodes: readonly string[];
  readonly pipelines: readonly PipelineSight[];
  readonly sources: readonly SourceSight[];
}

export function PipelinesPage(live: PipelinesPageProps) {
  const [isPaused, setPaused] = useState(false);
  const kept = useRef(live);
  if (!isPaused) kept.current = live;
  const { nodes, pipelines, sources } = kept.current;
  const sum = (of: (one: PipelineSight) => number): number =>
    pipelines.reduce((total, one) => total + of(one), 0);
  return (
    <div className="page">
      <a className="skip" href="#pipelines">
        Skip to the pipelines
      </a>
      <header className="masthead">
        <div className="brand">
          <BrandMark />
          <h1>Pipelines</h1>
          <span className="tag">dev</span>
          <span className="spacer" />
          <button
            type="button"
            className="quiet"
            aria-pressed={isPaused}
            onClick={() => setPaused(!isPaused)}
          >
            {isPaused ? "Go on" : "Pause"}
          </button>
          <a className="quiet" href="/">
            Overview
          </a>
          <ThemeToggle />
        </div>
        <dl className="status" aria-label="Cluster">
          <Item label="state">
            <span className="state" data-state={live.state} role="status" data-testid="state">
              {isPaused ? "paused" : live.state}
            </span>
          </Item>
          <Item label="nodes">{nodes.length}</Item>
          <Item label="pipelines">{pipelines.length}</Item>
          <Item label="events in / s">{count(sum((one) => one.inPerSecond))}</Item>
          <Item label="results / s">{count(sum((one) => one.outPerSecond))}</Item>
          <Item label="late">{count(sum((one) => one.events.late ?? 0))}</Item>
          <Item label="dead" isBad={sum((one) => one.events.dead ?? 0) > 0}>
            {count(sum((one) => one.events.dead ?? 0))}
          </Item>
          <Item label="lost" isBad={sum((one) => one.lost) > 0}>
            {count(sum((one) => one.lost))}
          </Item>
          <Item label="oldest unread">
            {duration(Math.max(0, ...pipelines.map((one) => one.lagMs)))}
          </Item>
        </dl>
      </header>
      <main id="pipelines" className="pipelines">
        {sources.length === 0 ? null : <Sources sources={sources} />}
        {pipelines.map((one) => (
          <PipelinePlate key={one.name} pipeline={one} />
        ))}
        {pipelines.length + sources.length === 0 ? (
          <p className="nothing">No node has said yet what it runs.</p>
        ) : null}
      </main>
      <footer className="foot">
        Counts are those of the nodes that run now. What is shown comes over the SDK, from channels
        that <code>holdfast dev</code> adds. Of many records the first of each quarter of a second
        are shown.
      </footer>
    </div>
  );
}

function Item(props: {
  readonly label: string;
  readonly isBad?: boolean;
  readonly children: React.ReactNode;
}) {
  return (
    <div data-bad={props.isBad}>
      <dt>{props.label}</dt>
      <dd>{props.children}</dd>
    </div>
  );
}

function Sources({ sources }: { readonly sources: readonly SourceSight[] }) {
  return (
    <section className="plate" aria-labelledby="sources-title">
      <header>
        <h2 id="sources-title">Sources</h2>
        <p className="spec">
          <span>logs of others, read into channels</span>
        </p>
      </header>
      <div className="wide">
        <table>
          <thead>
            <tr>
              <th scope="col">source</th>
              <th scope="col">into</th>
              <th scope="col">read by</th>
              <th scope="col" className="number">
                published
              </th>
              <th scope="col" className="number">
                dead
              </th>
              <th scope="col" className="number">
                unread
              </th>
              <th scope="col">state</th>
            </tr>
          </thead>
          <tbody>
            {sources.map((one) => (
              <tr key={one.name}>
                <td>
                  {one.name} <span className="faint">{one.kind}</span>
                </td>
                <td>
                  <code>{one.channel}</code>
                </td>
                <td>
                  <code>{one.reader ?? "–"}</code>
                </td>
                <td className="number">{count(one.published)}</td>
                <td className="number">{count(one.dead)}</td>
                <td className="number">{count(one.lag)}</td>
                <td>{sourceState(one)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function sourceState(one: SourceSight) {
  if (one.isRefused)
    return (
      <span className="light" data-light="bad">
        refused
      </span>
    );
  if (!one.isReading)
    return (
      <span className="light" data-light="warn">
        nobody reads
      </span>
    );
  if (one.isHeldBack)
    return (
      <span className="light" data-light="warn">
        waits for pipelines
      </span>
    );
  return (
    <span className="light" data-light="good">
      reads
    </span>
  );
}
