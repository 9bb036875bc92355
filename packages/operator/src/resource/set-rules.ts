// Owns: the rules over several fields of a RealtimeSet's spec. Each message has the values that
// exclude each other.
import type { Rule } from "./fields.ts";
import { PROTECTED_LABEL, RECEIVES_LABEL, REVISION_LABEL, SET_LABEL } from "./names.ts";

/** Labels of pods that the operator alone writes. It writes `RECEIVES_LABEL`, too. */
export const OWNED_LABELS: readonly string[] = [SET_LABEL, PROTECTED_LABEL, REVISION_LABEL];

/** A name and `-REVISION` are the value of a label. */
export const SET_NAME_MAX = 52;

type Texts = Readonly<Record<string, string>>;

/** The parts that rules look at. */
export interface SetParts {
  readonly selector: { readonly matchLabels: Texts };
  readonly template: { readonly metadata: { readonly labels: Texts } };
  readonly drain: { readonly maxSeconds: number; readonly preDelaySeconds: number };
}

/** The parts that the rule of the data plane looks at. */
export interface DataPlaneParts {
  readonly kind: "node" | "gateway";
  readonly node?: unknown;
  readonly gateway?: unknown;
}

export const SET_RULES: readonly Rule[] = [
  {
    cel: "self.selector.matchLabels.all(k, k in self.template.metadata.labels && self.template.metadata.labels[k] == self.selector.matchLabels[k])",
    message:
      "'the labels of the template lack what the selector asks for: %s'.format([self.selector.matchLabels.map(k, k).filter(k, !(k in self.template.metadata.labels) || self.template.metadata.labels[k] != self.selector.matchLabels[k])])",
    holds: ({ selector, template }: SetParts) =>
      Object.entries(selector.matchLabels).every(
        ([name, value]) => template.metadata.labels[name] === value,
      ),
  },
  {
    cel: "!('holdfast.dev/receives' in self.template.metadata.labels) || self.template.metadata.labels['holdfast.dev/receives'] == 'true'",
    message:
      'the label holdfast.dev/receives of the template is "true" or absent: the operator takes it from single pods',
    isFixed: true,
    holds: ({ template }: SetParts) =>
      (template.metadata.labels[RECEIVES_LABEL] ?? "true") === "true",
  },
  {
    cel: "self.drain.preDelaySeconds < self.drain.maxSeconds",
    message:
      "'drain.maxSeconds %d - drain.preDelaySeconds %d = %d s: no time is left to move anybody'.format([self.drain.maxSeconds, self.drain.preDelaySeconds, self.drain.maxSeconds - self.drain.preDelaySeconds])",
    holds: ({ drain }: SetParts) => drain.preDelaySeconds < drain.maxSeconds,
  },
  {
    // An autoscaler beside the operator's own would change a number that nothing reads.
    cel: "!has(self.autoscaling) || !has(oldSelf.autoscaling) || !has(self.replicas) || (has(oldSelf.replicas) && self.replicas == oldSelf.replicas)",
    message:
      "'replicas cannot become %d: spec.autoscaling decides between %d and %d pods. Change these, or remove spec.autoscaling'.format([self.replicas, self.autoscaling.minReplicas, self.autoscaling.maxReplicas])",
  },
];
