// Owns: the page's client: where it connects, and how it gets its tokens.
import { Holdfast } from "@holdfast/client";
import type contract from "../holdfast.config.ts";

export type Contract = typeof contract;

/** A client for a user. It fetches a token whenever it needs a fresh one. */
export function connect(name: string): Holdfast<Contract> {
  return new Holdfast<Contract>(`${location.origin.replace(/^http/, "ws")}/connect`, {
    getToken: async () => {
      const answer = await fetch("/api/token", { method: "POST", body: name });
      if (!answer.ok) throw new Error(`no token: ${answer.status}`);
      return answer.text();
    },
  });
}
