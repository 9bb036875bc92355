// Owns: the fields of a RealtimeSet's spec: types, limits, defaults, descriptions, and the rules
// over several of them.
import { boolean, choice, filled, integer, list, section, text, texts } from "./fields.ts";
import { RECEIVES_LABEL } from "./names.ts";
import { RELEASE_FIELDS } from "./release-wish-fields.ts";
import { type DataPlaneParts, OWNED_LABELS, SET_RULES, type SetParts } from "./set-rules.ts";

/** Pods of one set at most. */
export const REPLICAS_MAX = 1000;
const DAY_SECONDS = 86_400;
const LABEL_MAX = 63;
const LABELS_MAX = 64;
/** RFC 1123. */
const DNS_LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?";

const TEMPLATE = section(
  "The pods, as in a Deployment: a PodTemplateSpec. A change makes a new revision.",
  {
    isOpen: true,
    required: ["metadata", "spec"],
    fields: {
      metadata: section("Labels and annotations of the pods.", {
        isOpen: true,
        required: ["labels"],
        fields: {
          labels: texts("Labels of the pods. They contain the selector.", {
            countMin: 1,
            countMax: LABELS_MAX,
            lengthMax: LABEL_MAX,
          }),
        },
        rules: [
          {
            cel: `!self.labels.exists(k, k in ${JSON.stringify(OWNED_LABELS)})`,
            message: `'the operator writes these labels itself: remove %s from the template'.format([self.labels.map(k, k).filter(k, k in ${JSON.stringify(OWNED_LABELS)})])`,
            holds: ({ labels }: { labels: Readonly<Record<string, string>> }) =>
              !Object.keys(labels).some((name) => OWNED_LABELS.includes(name)),
          },
        ],
      }),
      spec: section("The PodSpec.", {
        isOpen: true,
        required: ["containers"],
        fields: {
          containers: list(
            "The containers.",
            section("A container.", {
              isOpen: true,
              required: ["name"],
              fields: { name: text("Its name.", { lengthMax: LABEL_MAX }) },
            }),
            { countMin: 1, countMax: 32, key: "name" },
          ),
          restartPolicy: text("`Always`: a ReplicaSet allows nothing else.", {
            rules: [
              {
                cel: "self == 'Always'",
                message: "'restartPolicy must be Always, found %s'.format([self])",
                holds: (value: string) => value === "Always",
              },
            ],
          }),
        },
      }),
    },
  },
);

const SCHEME = (where: string) =>
  choice(`\`https\` if TLS ends at the ${where}.`, ["http", "https"], "http");

const keySecret = (scopes: string) =>
  section(`Where the operator finds its API key. The key needs the scopes ${scopes}.`, {
    required: ["name", "key"],
    fields: {
      name: text("Name of a Secret in the namespace of the set.", { lengthMin: 1 }),
      key: text("Key in the Secret.", { lengthMin: 1 }),
    },
  });

const DATA_PLANE = section("How the operator speaks to the pods.", {
  fields: {
    kind: choice(
      "`node`: the pods are Holdfast nodes. `gateway`: any WebSocket servers behind a gateway.",
      ["node", "gateway"],
      "node",
    ),
    node: section("The HTTP API of a node. The operator asks each pod at its own address.", {
      required: ["keySecret"],
      fields: {
        port: integer("Port of the API in the pod.", { min: 1, max: 65_535, default: 8000 }),
        scheme: SCHEME("node (`tls.certFile`)"),
        basePath: text("What stands before `/api/v1`: the node's `basePath`. Empty: nothing.", {
          default: "",
          lengthMax: 200,
          pattern: "^(/[A-Za-z0-9._~-]+)*$",
        }),
        keySecret: keySecret("`info` and `drain`"),
      },
    }),
    gateway: section("The control API of the gateways. The operator asks each of them.", {
      required: ["service", "route", "podPort", "keySecret"],
      fields: {
        service: text(
          "A headless Service whose addresses are the gateways: `name`, or `name.namespace`.",
          { lengthMin: 1, lengthMax: 127, pattern: `^${DNS_LABEL}(\\.${DNS_LABEL})?$` },
        ),
        port: integer("Port of the control API.", { min: 1, max: 65_535, default: 9464 }),
        scheme: SCHEME("gateway's control API"),
        route: text("The route whose endpoints are the pods of this set.", {
          lengthMin: 1,
          lengthMax: LABEL_MAX,
        }),
        podPort: integer("Port of the pods, as the route's endpoints have it.", {
          min: 1,
          max: 65_535,
        }),
        keySecret: keySecret("`endpoints` and `drain`"),
      },
    }),
  },
  rules: [
    {
      cel: "self.kind == 'node' ? has(self.node) && !has(self.gateway) : has(self.gateway) && !has(self.node)",
      message:
        "'dataPlane.kind is %s: it needs dataPlane.%s, and nothing of the other kind'.format([self.kind, self.kind])",
      holds: ({ kind, node, gateway }: DataPlaneParts) =>
        (kind === "node") === (node !== undefined) &&
        (kind === "gateway") === (gateway !== undefined),
    },
  ],
});

/** The spec of a RealtimeSet. */
export const SET_SPEC = section("What the set should be.", {
  required: ["selector", "template", "drain", "connections", "dataPlane"],
  rules: SET_RULES,
  fields: {
    replicas: integer(
      "Number of pods. If it is absent, the operator writes the number that runs, and 1 for a new set. Leave it out if an autoscaler of yours writes it. If `autoscaling` is there, nothing reads it.",
      { min: 0, max: REPLICAS_MAX },
    ),
    selector: section("Which pods are the set's. It never changes.", {
      required: ["matchLabels"],
      fields: {
        matchLabels: texts("Labels that the pods have.", {
          countMin: 1,
          countMax: 16,
          lengthMax: LABEL_MAX,
        }),
      },
      rules: [
        {
          cel: "self == oldSelf",
          message:
            "the selector never changes: make another RealtimeSet, and delete this one when its pods are empty",
          isFixed: true,
        },
        {
          cel: `!self.matchLabels.exists(k, k in ${JSON.stringify([...OWNED_LABELS, RECEIVES_LABEL])})`,
          message:
            "the selector has a label that the operator changes: holdfast.dev/set, holdfast.dev/receives, holdfast.dev/protected, pod-template-hash",
          isFixed: true,
          holds: ({ matchLabels }: SetParts["selector"]) =>
            !Object.keys(matchLabels).some(
              (name) => OWNED_LABELS.includes(name) || name === RECEIVES_LABEL,
            ),
        },
      ],
    }),
    template: TEMPLATE,
    drain: section("How a pod is emptied.", {
      required: ["maxSeconds"],
      fields: {
        maxSeconds: integer(
          "Longest time of a drain that the operator orders, from the order on: preDelaySeconds are part of it. Whoever is on the pod at its end is disconnected.",
          { min: 5, max: DAY_SECONDS },
        ),
        preDelaySeconds: integer(
          "Time in which balancers learn that the pod takes nobody. Then the first session moves.",
          { min: 0, max: 600, default: 3 },
        ),
      },
    }),
    connections: section("What a pod carries.", {
      required: ["perPod"],
      fields: {
        perPod: integer("Connections of one pod, until it has said itself what it can carry.", {
          min: 1,
          max: 1_000_000,
        }),
        headroomPercent: integer(
          "Share of a pod's places that stays free for what comes at once.",
          {
            min: 0,
            max: 90,
            default: 20,
          },
        ),
      },
    }),
    dataPlane: DATA_PLANE,
    autoscaling: section("The operator's own autoscaling. Absent: `replicas` is the number.", {
      required: ["minReplicas", "maxReplicas"],
      fields: {
        minReplicas: integer("Smallest number of pods.", { min: 1, max: REPLICAS_MAX }),
        maxReplicas: integer("Largest number of pods.", { min: 1, max: REPLICAS_MAX }),
        downAfterSeconds: integer("Fewer pods must do for so long before one goes.", {
          min: 0,
          max: DAY_SECONDS,
          default: 300,
        }),
      },
      rules: [
        {
          cel: "self.minReplicas <= self.maxReplicas",
          message:
            "'minReplicas %d is above maxReplicas %d'.format([self.minReplicas, self.maxReplicas])",
          holds: (value: { minReplicas: number; maxReplicas: number }) =>
            value.minReplicas <= value.maxReplicas,
        },
      ],
    }),
    release: RELEASE_FIELDS,
    rebalance: filled(
      "Pods that carry clearly more than the mean give sessions to others, while nothing else is under way.",
      {
        fields: {
          enabled: boolean("Whether they do.", true),
          tolerancePercent: integer(
            "A pod up to so much above the mean keeps its sessions. So does one with less than 20 more.",
            { min: 0, max: 1000, default: 10 },
          ),
        },
      },
    ),
    disruption: filled("Machines (Kubernetes nodes) that are about to go.", {
      fields: {
        replacementSecondsMax: integer(
          "So long a pod waits for its replacement before it drains without one.",
          { min: 0, max: 3600, default: 120 },
        ),
      },
    }),
    revisionHistoryLimit: integer("Old revisions without pods that are kept.", {
      min: 0,
      max: 100,
      default: 5,
    }),
    releaseHistoryLimit: integer("RealtimeRelease objects that are kept.", {
      min: 1,
      max: 100,
      default: 10,
    }),
  },
});
