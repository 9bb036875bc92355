// Owns: asking the API server whether it makes pods of a template, before anything begins with it.
import { type Json, type KubeApi, KubeApiError, text } from "@holdfast/kube";
import type { Revision } from "@holdfast/operator";
import { type Owner, replicaSetManifest } from "./manifests.ts";
import { PATHS, REVISION_LABEL } from "./names.ts";
import { labelsOf } from "./objects.ts";

/** A refused template is shown again after this: an admission webhook may have been away. */
const AGAIN_MS = 30_000;

/** It is in the status three times, and lists each field of each container that is wrong. */
const PROBLEM_MAX = 2000;

/** Of one set. */
export class TemplateCheck {
  readonly #api: Pick<KubeApi, "preview">;
  readonly #nowMs: () => number;
  #last:
    | { readonly revision: Revision; readonly problem?: string; readonly atMs: number }
    | undefined;

  constructor(api: Pick<KubeApi, "preview">, nowMs: () => number) {
    this.#api = api;
    this.#nowMs = nowMs;
  }

  /**
   * Why the API server refuses a ReplicaSet of the template; undefined if it takes it, or if one is
   * there. Rejects with KubeApiError if it does not answer.
   */
  async problem(
    owner: Owner,
    revision: Revision,
    replicaSets: readonly Json[],
  ): Promise<string | undefined> {
    if (replicaSets.some((one) => text(labelsOf(one)[REVISION_LABEL]) === revision))
      return undefined;
    const last = this.#last;
    if (last?.revision === revision && (last.problem === undefined || this.#isFresh(last.atMs)))
      return last.problem;
    const problem = await this.#ask(owner, revision);
    this.#last = {
      ...{ revision, atMs: this.#nowMs() },
      ...(problem === undefined ? {} : { problem }),
    };
    return problem;
  }

  #isFresh(atMs: number): boolean {
    return this.#nowMs() - atMs < AGAIN_MS;
  }

  async #ask(owner: Owner, revision: Revision): Promise<string | undefined> {
    try {
      await this.#api.preview(
        PATHS.replicaSets(owner.namespace),
        replicaSetManifest(owner, revision, 0),
      );
      return undefined;
    } catch (error) {
      if (!(error instanceof KubeApiError)) throw error;
      // Its name is taken: the server knows it, and the watch will.
      if (error.isAlreadyExists) return undefined;
      // 403 is a quota, or a policy such as Gatekeeper's, too: what runs is looked after meanwhile.
      if (error.isTransient || error.isUnauthorized) throw error;
      const why = error.message.slice(0, PROBLEM_MAX);
      return `No pod can be made of the template of revision ${revision}: ${why}`;
    }
  }
}
