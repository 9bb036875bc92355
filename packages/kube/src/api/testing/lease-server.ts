// Owns: the one Lease that candidates of a test share, with versions as the API server has them,
// and faults for each candidate. test/cluster tries the same with a real API server.
import { at, type Json, record } from "../../reading.ts";
import { KubeApiError } from "../kube-api-error.ts";
import type { LeaseOptions } from "../lease.ts";

type LeaseApi = LeaseOptions["api"];

/** What a candidate's requests meet. */
export interface Path {
  /**
   * "lost": nothing arrives. "deaf": it arrives, and the answer is lost. "hangs": no answer.
   * "slow": a write arrives, and its answer comes with the gate.
   */
  state: "open" | "lost" | "deaf" | "hangs" | "slow";
  gate?: Promise<void>;
}

export class LeaseServer {
  lease: Json | undefined;
  writes = 0;
  #version = 0;

  get spec(): Json {
    return record(at(this.lease, "spec"));
  }

  /** Changes the Lease behind everybody's back. */
  put(spec: Json): void {
    this.#version += 1;
    this.lease = { ...this.lease, metadata: { resourceVersion: String(this.#version) }, spec };
  }

  apiFor(path: Path): LeaseApi {
    const through = async (act: () => Json, isWrite = true): Promise<Json> => {
      await undefined;
      if (path.state === "lost") throw refusal(0, "Unreachable");
      if (path.state === "hangs") return await new Promise(() => {});
      const answer = act();
      if (path.state === "slow" && isWrite) await path.gate;
      if (path.state === "deaf") throw refusal(0, "Timeout");
      return structuredClone(answer);
    };
    return {
      get: () => through(() => this.lease ?? fail(404, "NotFound"), false),
      create: (_path, body) =>
        through(() => {
          if (this.lease !== undefined) fail(409, "AlreadyExists");
          return this.#written(body);
        }),
      replace: (_path, body) =>
        through(() => {
          const held = this.lease ?? fail(404, "NotFound");
          const [mine, wanted] = [held, body].map((one) => at(one, "metadata", "resourceVersion"));
          if (mine !== wanted) fail(409, "Conflict");
          return this.#written(body);
        }),
    };
  }

  #written(body: Json): Json {
    this.#version += 1;
    this.writes += 1;
    const metadata = { ...record(body.metadata), resourceVersion: String(this.#version) };
    this.lease = { ...structuredClone(body), metadata };
    return this.lease;
  }
}

const refusal = (status: number, reason: string) =>
  new KubeApiError(`Cannot reach the test's server: ${reason}`, { status, reason });

function fail(status: number, reason: string): never {
  throw refusal(status, reason);
}
