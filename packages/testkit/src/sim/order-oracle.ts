// Owns: judging orders between nodes: each is carried out, refused or expired, and whoever gave it
// is told which.
import type { NodeControl, OrderFigures } from "@holdfast/core";
import type { Verdict } from "./verdict.ts";

/** A node that gives orders, or takes them. */
export interface OrderedNode {
  readonly name: string;
  readonly engine: Pick<NodeControl, "nodes">;
}

interface Given {
  readonly by: string;
  readonly to: OrderedNode;
  /** What the giver was told; undefined as long as it was told nothing. */
  code: string | undefined;
}

const EXPECTED: ReadonlySet<string> = new Set([
  "ok",
  "order_refused",
  "order_expired",
  "order_unconfirmed",
  "node_ending",
  "request_invalid",
]);

export class OrderOracle {
  readonly #verdict: Verdict;
  readonly #given: Given[] = [];

  constructor(verdict: Verdict) {
    this.#verdict = verdict;
  }

  /** An order of `by` to `to` was given; the result is called with what the giver was told. */
  begin(by: OrderedNode, to: OrderedNode): (code: string) => void {
    const given: Given = { by: by.name, to, code: undefined };
    this.#given.push(given);
    return (code) => {
      given.code = code;
      if (!EXPECTED.has(code))
        this.#verdict.broken("orders", `${by.name} was told ${code} of an order to ${to.name}`);
    };
  }

  /** An order whose giver still waits; `alive` are the nodes that run. */
  missing(alive: readonly OrderedNode[]): string | undefined {
    const waits = this.#given.find(
      ({ by, code }) => code === undefined && alive.some(({ name }) => name === by),
    );
    return waits === undefined
      ? undefined
      : `${waits.by} was told nothing of its order to ${waits.to.name}`;
  }

  /** Compares what was told with what each node that still runs says it did. */
  judge(alive: readonly OrderedNode[]): void {
    for (const node of alive) {
      const mine = this.#given.filter(({ to }) => to === node);
      const told = (...codes: readonly (string | undefined)[]): number =>
        mine.filter(({ code }) => codes.includes(code)).length;
      const { obeyed, refused } = figuresOf(node) ?? { obeyed: 0, refused: 0 };
      const [yes, no] = [told("ok"), told("order_refused", "node_ending")];
      // Nobody was told, because the giver is gone or lost sight of it.
      const unknown = told(undefined, "order_unconfirmed");
      if (obeyed < yes || refused < no || obeyed + refused > yes + no + unknown)
        this.#verdict.broken(
          "orders",
          `${node.name} obeyed ${obeyed} orders and refused ${refused}; told were ${yes} and ${no}, unknown are ${unknown}`,
        );
    }
  }
}

const figuresOf = ({ name, engine }: OrderedNode): OrderFigures | undefined =>
  engine.nodes().find(({ node }) => node === name)?.orders;
