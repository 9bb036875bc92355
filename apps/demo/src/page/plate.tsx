// Owns: the frame of a panel: its heading and the channel that it shows.
import type { ReactNode } from "react";

export interface PlateProps {
  readonly id: string;
  readonly title: string;
  /** The channel and how it delivers, e.g. "chat:lobby" and "ordered, last 200 kept". */
  readonly channel: string;
  readonly delivery: string;
  readonly className?: string;
  readonly children: ReactNode;
}

export function Plate(props: PlateProps) {
  return (
    <section
      className={`plate ${props.className ?? ""}`}
      aria-labelledby={`${props.id}-title`}
      id={props.id}
    >
      <header>
        <h2 id={`${props.id}-title`}>{props.title}</h2>
        <p className="spec">
          <code>{props.channel}</code>
          <span>{props.delivery}</span>
        </p>
      </header>
      {props.children}
    </section>
  );
}
