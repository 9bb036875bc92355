// Owns: which revision each pod of a namespace has, by a label, as pods come and go.
import { at, type Json, type KubeWatcher, Reflector, record, text } from "@holdfast/kube";

export interface PodRevisionsOptions
  extends Pick<
    ConstructorParameters<typeof Reflector>[1],
    "clock" | "random" | "backoff" | "onChange"
  > {
  readonly api: KubeWatcher;
  readonly namespace: string;
  /** Pods without it have no revision, and are not even listed. */
  readonly label: string;
}

/** Of a namespace: its endpoints are a thousand of them at most. */
const PODS_MAX = 20_000;

export class PodRevisions {
  readonly #label: string;
  readonly #reflector: Reflector;
  #trouble: string | undefined = "the API server has not answered yet";

  constructor({ api, namespace, label, ...rest }: PodRevisionsOptions) {
    this.#label = label;
    this.#reflector = new Reflector(api, {
      ...rest,
      path: `/api/v1/namespaces/${namespace}/pods`,
      labelSelector: label,
      objectsMax: PODS_MAX,
      keep: (pod) => kept(pod, label),
      tell: (event) => {
        if (event.type === "failed") this.#trouble = event.error.message;
        else if (event.type === "listed" || event.type === "watching") this.#trouble = undefined;
      },
    });
  }

  start(): void {
    this.#reflector.start();
  }

  stop(): void {
    this.#reflector.stop();
  }

  /** Why revisions may be missing. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** By the names of the pods. */
  all(): ReadonlyMap<string, string> {
    return new Map(
      [...this.#reflector.objects].flatMap((pod): [string, string][] => {
        const name = text(at(pod, "metadata", "name"));
        const revision = text(at(pod, "metadata", "labels", this.#label));
        return name === undefined || revision === undefined ? [] : [[name, revision]];
      }),
    );
  }
}

function kept({ metadata }: Json, label: string): Json {
  const { name, namespace, uid, resourceVersion, labels } = record(metadata);
  const kept = { name, namespace, uid, resourceVersion };
  return { metadata: { ...kept, labels: { [label]: at(labels, label) } } };
}
