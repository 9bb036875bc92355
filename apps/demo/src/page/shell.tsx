// Owns: the page's landmarks and the order of its parts.
import type { ReactNode } from "react";
import { BOARD, METRICS, ROOM, WINCH } from "../names.ts";
import { Plate } from "./plate.tsx";
import { type Status, StatusStrip } from "./status-strip.tsx";

export interface ShellProps {
  readonly status: Status;
  readonly restart: ReactNode;
  readonly chat: ReactNode;
  readonly board: ReactNode;
  readonly telemetry: ReactNode;
}

export function Shell(props: ShellProps) {
  return (
    <div className="page">
      <a className="skip" href="#chat">
        Skip to the chat room
      </a>
      <StatusStrip status={props.status} />
      <main>
        {props.restart}
        <Plate
          id="chat"
          className="chat"
          title="Chat room"
          channel={ROOM}
          delivery="ordered, last 200 kept, presence"
        >
          {props.chat}
        </Plate>
        <Plate
          id="board"
          className="board"
          title="Hold the rope"
          channel={BOARD}
          delivery="volatile, 30 a second"
        >
          {props.board}
          <p className="caption" id="board-help">
            Take hold of the rope and drag it; everyone in every window can. The winch feels it. By
            keyboard: arrow keys move, <kbd>Space</kbd> takes hold and lets go.
          </p>
        </Plate>
        <Plate
          id="telemetry"
          className="telemetry"
          title="Winch"
          channel={WINCH}
          delivery={`latest for each of ${METRICS.length} keys`}
        >
          {props.telemetry}
        </Plate>
      </main>
      <footer className="foot">
        Everything here goes through the public SDK over one WebSocket. Open a second window beside
        this one: the same room, the same rope, the same winch, and a session of its own.
      </footer>
    </div>
  );
}
