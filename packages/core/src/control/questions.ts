// Owns: questions to every node of the cluster, asked over the bus. A node that does not answer in
// time is named as missing; nothing waits longer.

import type { Bus, Clock, Random } from "../ports.ts";
import type { NodeSettings } from "../settings.ts";
import type { SessionInfo, SessionsQuestion } from "./control.ts";

/** What nodes ask one another. `id` names the question for those who answer. */
export type QuestionMessage =
  | {
      readonly kind: "ask";
      readonly from: string;
      readonly id: string;
      readonly question: SessionsQuestion;
    }
  | {
      readonly kind: "answer";
      readonly from: string;
      readonly to: string;
      readonly id: string;
      readonly sessions: readonly SessionInfo[];
    };

/** What asking other nodes needs. */
export interface QuestionNeeds {
  readonly clock: Pick<Clock, "after">;
  readonly random: Pick<Random, "id">;
  readonly broker: { readonly bus: Pick<Bus, "send"> };
  settings(): NodeSettings;
  background(what: string, work: Promise<unknown>): void;
}

export interface SessionsAnswer {
  readonly sessions: readonly SessionInfo[];
  /** Nodes that did not answer in time. */
  readonly missing: readonly string[];
}

interface Waiting {
  readonly missing: Set<string>;
  readonly sessions: SessionInfo[];
  done(): void;
}

const WAITING_MAX = 256;

export class Questions {
  readonly #parts: QuestionNeeds;
  readonly #waiting = new Map<string, Waiting>();
  readonly #mine: (query: SessionsQuestion) => readonly SessionInfo[];

  constructor(parts: QuestionNeeds, mine: (query: SessionsQuestion) => readonly SessionInfo[]) {
    this.#parts = parts;
    this.#mine = mine;
  }

  /** The first `limit` sessions after `after` of the whole cluster. */
  async sessions(query: SessionsQuestion, others: readonly string[]): Promise<SessionsAnswer> {
    const own = this.#mine(query);
    if (others.length === 0) return { sessions: own, missing: [] };
    if (this.#waiting.size >= WAITING_MAX) return { sessions: own, missing: others };
    const id = this.#parts.random.id();
    const { clock, broker, settings } = this.#parts;
    const missing = new Set(others);
    const found: SessionInfo[] = [...own];
    await new Promise<void>((resolve) => {
      const done = (): void => {
        cancel();
        resolve();
      };
      const cancel = clock.after(settings().fleet.askMs, done);
      this.#waiting.set(id, { missing, sessions: found, done });
      broker.bus.send({ kind: "ask", from: settings().nodeId, id, question: query }).catch(done);
    });
    this.#waiting.delete(id);
    found.sort((a, b) => (a.session < b.session ? -1 : 1));
    return { sessions: found.slice(0, query.limit), missing: [...missing].sort() };
  }

  heard(message: QuestionMessage): void {
    const self = this.#parts.settings().nodeId;
    if (message.kind === "ask") {
      if (message.from === self) return;
      const answer: QuestionMessage = {
        kind: "answer",
        from: self,
        to: message.from,
        id: message.id,
        sessions: this.#mine(message.question),
      };
      // If the answer is lost, this node is named as missing.
      this.#parts.background(
        "answer",
        this.#parts.broker.bus.send(answer).catch(() => {}),
      );
      return;
    }
    const waiting = message.to === self ? this.#waiting.get(message.id) : undefined;
    if (waiting === undefined || !waiting.missing.delete(message.from)) return;
    waiting.sessions.push(...message.sessions);
    if (waiting.missing.size === 0) waiting.done();
  }
}
