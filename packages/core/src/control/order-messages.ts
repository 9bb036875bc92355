// Owns: what nodes say to one another about orders, and the figures that they tell of them.

/** Orders that go from node to node. An older node takes an unknown one for a drain. */
export type SentOrder = "drain" | "undrain";
/** Orders that a node takes. */
export type Order = SentOrder | "shed";

/**
 * What nodes say to one another about orders. `id` identifies one order in every message about it.
 */
export type OrderMessage =
  | {
      readonly kind: "order";
      readonly from: string;
      readonly node: string;
      readonly id: string;
      readonly order: SentOrder;
      readonly token?: number;
      readonly windowMs?: number;
      readonly preDelayMs?: number;
      /** Nodes of an earlier version know none of the two, and move sessions to any node. */
      readonly toRevision?: string;
      readonly isPreferred?: boolean;
    }
  /** The receiver asks the giver: is the order still wanted? */
  | {
      readonly kind: "order-asked";
      readonly from: string;
      readonly to: string;
      readonly id: string;
    }
  /** The order is still wanted. */
  | { readonly kind: "order-go"; readonly from: string; readonly to: string; readonly id: string }
  /** The result of the order. `fence`: the highest token that the node has obeyed. */
  | {
      readonly kind: "order-done";
      readonly from: string;
      readonly to: string;
      readonly id: string;
      readonly fence?: number;
      readonly refused?: "token" | "ending";
    };

export const ORDER_KINDS = ["order", "order-asked", "order-go", "order-done"] as const;

/** Figures of this node since it started. */
export interface OrderFigures {
  /** Orders that it obeyed, and orders that it refused because of their token. */
  readonly obeyed: number;
  readonly refused: number;
  /** Orders that it gave and that no node took in time. */
  readonly expired: number;
  /** The highest token that it obeyed. */
  readonly fence?: number;
}
