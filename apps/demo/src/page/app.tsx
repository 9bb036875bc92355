// Owns: the page: one client, its name, and the parts put together.
import { useHoldfast, usePresence } from "@holdfast/client/react";
import { useMemo, useState } from "react";
import type { DemoContract } from "../contract.ts";
import { HEARTBEAT_INTERVAL_MS, METRICS, ROOM } from "../names.ts";
import { BoardCanvas } from "./board.tsx";
import { CALM_FRAME_MS, useFrames } from "./canvas.ts";
import { Conversation, People } from "./chat-view.tsx";
import { isRolling } from "./fleet.ts";
import { FleetView } from "./fleet-view.tsx";
import { loadName, saveName } from "./person.ts";
import { RestartView } from "./restart-view.tsx";
import { Shell } from "./shell.tsx";
import { drawStrip, nodeInk } from "./strip-drawing.ts";
import { MetricChart } from "./telemetry-view.tsx";
import { useBoard } from "./use-board.ts";
import { fleetSize, useFleet } from "./use-fleet.ts";
import { type Restart, useRestart } from "./use-restart.ts";
import { useRoom } from "./use-room.ts";
import { useSession } from "./use-session.ts";
import { useStatus } from "./use-status.ts";
import { useTelemetry } from "./use-telemetry.ts";
import { useTheme } from "./use-theme.ts";

const storage = () => ({ local: localStorage, session: sessionStorage });

export function App() {
  const [name, setName] = useState(() => loadName(storage(), Math.random()));
  const status = useStatus();
  const rename = (next: string) => {
    saveName(storage(), next);
    setName(next);
  };
  return (
    <Shell
      status={status}
      restart={<RestartPart />}
      chat={<ChatPart name={name} onRename={rename} />}
      board={<BoardPart name={name} />}
      telemetry={<TelemetryPart />}
    />
  );
}

function ChatPart({
  name,
  onRename,
}: {
  readonly name: string;
  readonly onRename: (name: string) => void;
}) {
  const room = useRoom(name);
  const session = useSession();
  const members = usePresence<DemoContract, typeof ROOM>(ROOM, { name });
  return (
    <>
      <People
        members={members.map(({ id, data }) => ({ session: id, name: data.name }))}
        own={session}
        name={name}
        onRename={onRename}
      />
      <Conversation
        log={room.log}
        own={session}
        hasOlder={room.hasOlder}
        onOlder={room.loadOlder}
        onSend={room.send}
        onRetry={room.retry}
        onDrop={room.drop}
      />
    </>
  );
}

function BoardPart({ name }: { readonly name: string }) {
  const session = useSession();
  const board = useBoard();
  return <BoardCanvas own={session} name={name} cursors={board.cursors} onMove={board.move} />;
}

function TelemetryPart() {
  const series = useTelemetry();
  const theme = useTheme();
  return (
    <div className="metrics">
      {METRICS.map((metric, index) => (
        <MetricChart
          key={metric.key}
          metric={metric}
          series={series[metric.key]}
          theme={theme}
          last={index === METRICS.length - 1}
        />
      ))}
    </div>
  );
}

function RestartPart() {
  const restart = useRestart();
  const { watch } = restart;
  const [size] = useState(fleetSize);
  const fleet = useFleet(size);
  // `restart` renders four times a second: the node is never old for long.
  const here = useHoldfast().node;
  return (
    <RestartView
      fleetSize={size}
      fleet={
        size > 1 && (
          <FleetView
            size={size}
            seen={fleet}
            here={here}
            ink={nodeInk(restart.nodes, here ?? "")}
          />
        )
      }
      busy={watch.phase === "asked" || isRolling(fleet.sight, performance.now())}
      failure={watch.phase === "failed" ? watch.why : undefined}
      report={restart.report}
      nodes={restart.nodes}
      totals={restart.totals}
      intervalMs={HEARTBEAT_INTERVAL_MS}
      onRestart={restart.ask}
      strip={<Strip restart={restart} />}
    />
  );
}

function Strip({ restart }: { readonly restart: Restart }) {
  const clock = useMemo(() => ({ shownMs: 0 }), []);
  const canvas = useFrames((frame) => {
    const every = frame.calm ? CALM_FRAME_MS : 0;
    if (frame.nowMs - clock.shownMs < every) return;
    clock.shownMs = frame.nowMs;
    drawStrip(frame, restart.heartbeats.beats, restart.nodes);
  });
  return (
    <canvas
      ref={canvas}
      role="img"
      aria-label="Heartbeats of the last seconds, in the colour of the node that delivered them"
    />
  );
}
