// Owns: the look of the nodes: one cell for each place, the node that this window is on marked.
import type { FleetNode } from "../names.ts";
import { placesOf } from "./fleet.ts";
import type { FleetSeen } from "./use-fleet.ts";

export interface FleetViewProps {
  readonly size: number;
  readonly seen: FleetSeen;
  /** The node that this window's connection is on. */
  readonly here: string | undefined;
  /** The style sheet's name for its colour. */
  readonly ink: string;
}

/** Its height does not change while nodes come and go, so that nothing below it jumps. */
export function FleetView({ size, seen: { sight, stale }, here, ink }: FleetViewProps) {
  const places = placesOf(sight?.nodes ?? [], size);
  return (
    <ol className="fleet" aria-label="Nodes" data-testid="fleet" data-stale={stale}>
      {places.map((nodes, slot) => (
        // A place is its position and nothing else.
        // biome-ignore lint/suspicious/noArrayIndexKey: see above
        <li key={slot} className="place">
          {nodes.length === 0 && <p className="vacant">{sight === undefined ? "…" : "no node"}</p>}
          {nodes.map((one) => (
            <Node key={one.node} node={one} ink={one.node === here ? ink : undefined} />
          ))}
        </li>
      ))}
    </ol>
  );
}

function Node({
  node: { node, revision, state, sessions },
  ink,
}: {
  readonly node: FleetNode;
  readonly ink: string | undefined;
}) {
  const here = ink !== undefined;
  return (
    <dl className="node" data-state={state} data-ink={ink} aria-current={here ? "true" : undefined}>
      <dt>
        <code>{node}</code>
        {here && <span className="own">this window</span>}
      </dt>
      <dd>
        <span className="life">{state}</span>
      </dd>
      <dd>
        <code>{revision}</code>
        <span className="load">
          {sessions}
          <span className="unit">{sessions === 1 ? " session" : " sessions"}</span>
        </span>
      </dd>
    </dl>
  );
}
