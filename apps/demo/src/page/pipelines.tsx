// Owns: starting the page of pipelines: one client of the node that served it, whose news is drawn
// a few times a second.
import { Holdfast } from "@holdfast/client";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { LIVE_FIGURES, LIVE_RECORDS, type LiveFigures, type LiveRecords } from "../live.ts";
import { LiveBoard } from "./live-board.ts";
import { PipelinesPage } from "./pipelines-page.tsx";

const DRAW_MS = 250;
const CALM_DRAW_MS = 1_000;

const holder = document.getElementById("root");
if (holder) {
  const client = new Holdfast(new URL("/connect", location.href));
  const board = new LiveBoard();
  const clockMs = (): number => performance.now();
  client
    .channel(LIVE_FIGURES)
    .subscribe(({ data }) => board.hearFigures(data as LiveFigures, clockMs()));
  client
    .channel(LIVE_RECORDS)
    .subscribe(({ data }) => board.hearRecords(data as LiveRecords), { last: 60 });
  const root = createRoot(holder);
  const draw = (): void => {
    // What nobody looks at is not drawn; the board goes on with what comes.
    if (document.visibilityState === "hidden") return;
    const nowMs = clockMs();
    root.render(
      <StrictMode>
        <PipelinesPage
          state={client.state}
          nodes={board.nodes(nowMs)}
          pipelines={board.pipelines(nowMs)}
          sources={board.sources(nowMs)}
        />
      </StrictMode>,
    );
  };
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  setInterval(draw, isCalm ? CALM_DRAW_MS : DRAW_MS);
  document.addEventListener("visibilitychange", draw);
  draw();
}
