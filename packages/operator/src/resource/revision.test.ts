import { expect, test } from "bun:test";
import fc from "fast-check";
import { revisionOf } from "./revision.ts";

const template = () => ({
  metadata: { labels: { app: "shop" }, annotations: { a: "1" } },
  spec: {
    serviceAccountName: "shop",
    containers: [
      {
        name: "holdfast",
        image: "registry:5000/holdfast:1",
        ports: [{ containerPort: 8000 }],
        env: [{ name: "POD", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
        resources: { requests: { cpu: "500m", memory: "1Gi" }, limits: { memory: "1Gi" } },
        readinessProbe: { httpGet: { path: "/readyz", port: 9000 } },
      },
    ],
    volumes: [{ name: "config", configMap: { name: "shop" } }],
  },
});

/** The same as the API server gives it back in a ReplicaSet. */
const asStored = () => ({
  metadata: {
    creationTimestamp: null,
    labels: {
      app: "shop",
      "pod-template-hash": "abc",
      "holdfast.dev/set": "shop",
      "holdfast.dev/receives": "true",
      "holdfast.dev/protected": "true",
    },
    annotations: { a: "1" },
  },
  spec: {
    volumes: [{ name: "config", configMap: { name: "shop", defaultMode: 420 } }],
    containers: [
      {
        name: "holdfast",
        image: "registry:5000/holdfast:1",
        ports: [{ containerPort: 8000, protocol: "TCP" }],
        env: [
          {
            name: "POD",
            valueFrom: { fieldRef: { apiVersion: "v1", fieldPath: "metadata.name" } },
          },
        ],
        resources: { limits: { memory: "1024Mi" }, requests: { memory: "1024Mi", cpu: "0.5" } },
        readinessProbe: {
          httpGet: { path: "/readyz", port: 9000, scheme: "HTTP" },
          timeoutSeconds: 1,
          periodSeconds: 10,
          successThreshold: 1,
          failureThreshold: 3,
        },
        terminationMessagePath: "/dev/termination-log",
        terminationMessagePolicy: "File",
        imagePullPolicy: "IfNotPresent",
      },
    ],
    restartPolicy: "Always",
    terminationGracePeriodSeconds: 30,
    dnsPolicy: "ClusterFirst",
    serviceAccountName: "shop",
    serviceAccount: "shop",
    securityContext: {},
    schedulerName: "default-scheduler",
  },
});

test("a template and the same one with all defaults have one revision", () => {
  expect(revisionOf(asStored())).toBe(revisionOf(template()));
});

test("a revision never changes with a version of the operator: that would roll every set", () => {
  expect(revisionOf(template())).toBe("6xpxxr77qh");
});

test("the order of keys does not matter, and a revision is a label's value", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (spec) => {
      const turned = Object.fromEntries(Object.entries(spec).reverse());
      const revision = revisionOf({ spec });
      expect(revisionOf({ spec: turned })).toBe(revision);
      expect(revision).toMatch(/^[b-z2-9]{10}$/);
    }),
  );
});

type Template = ReturnType<typeof template>;
type Container = Record<string, unknown>;

const CHANGES: readonly (readonly [string, (template: Template) => void])[] = [
  [
    "an image",
    (one) => Object.assign(one.spec.containers[0] as Container, { image: "holdfast:2" }),
  ],
  ["an annotation", (one) => Object.assign(one.metadata.annotations, { restartedAt: "now" })],
  ["a label", (one) => Object.assign(one.metadata.labels, { tier: "a" })],
  ["a grace period", (one) => Object.assign(one.spec, { terminationGracePeriodSeconds: 31 })],
  [
    "a pull policy",
    (one) => Object.assign(one.spec.containers[0] as Container, { imagePullPolicy: "Always" }),
  ],
  [
    "an amount",
    (one) => Object.assign(one.spec.containers[0]?.resources.requests ?? {}, { cpu: "501m" }),
  ],
  [
    "an empty directory",
    (one) => Object.assign(one.spec.volumes, [{ name: "config", emptyDir: {} }]),
  ],
];

test.each(CHANGES)("%s that changes is another revision", (_, change) => {
  const changed = template();
  change(changed);
  expect(revisionOf(changed)).not.toBe(revisionOf(template()));
});

test("a template that is none has a revision and no crash", () => {
  for (const one of [undefined, null, "text", [], {}]) expect(revisionOf(one)).toHaveLength(10);
});

test("an image without a tag is pulled always", () => {
  const of = (image: string, imagePullPolicy?: string) =>
    revisionOf({
      spec: { containers: [{ name: "a", image, ...(imagePullPolicy ? { imagePullPolicy } : {}) }] },
    });
  expect(of("registry:5000/app", "Always")).toBe(of("registry:5000/app"));
  expect(of("app:latest", "Always")).toBe(of("app:latest"));
  expect(of("app@sha256:00", "IfNotPresent")).toBe(of("app@sha256:00"));
  expect(of("app:1", "Always")).not.toBe(of("app:1"));
});

/** FNV-1a as its authors state it. */
function plainHash(text: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (let at = 0; at < text.length; at++)
    for (const byte of [text.charCodeAt(at) & 0xff, text.charCodeAt(at) >> 8])
      hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  return hash;
}

const ALPHABET = "bcdfghjklmnpqrstvwxz2456789";

test("a revision is the hash of FNV-1a, whatever is in the template", () => {
  for (let length = 0; length < 300; length += 7) {
    const odd = Array.from({ length }, (_, at) => (at * 7919 * (length + 1)) % 0xd7ff);
    const note = String.fromCharCode(...odd);
    let rest = plainHash(`{"metadata":{"annotations":{"note":${JSON.stringify(note)}}}}`);
    let expected = "";
    for (let at = 0; at < 10; at++) {
      expected += ALPHABET.charAt(Number(rest % 27n));
      rest /= 27n;
    }
    expect(revisionOf({ metadata: { annotations: { note } } })).toBe(expected);
  }
});

test("revisions of sets that exist do not change", () => {
  expect(revisionOf(template())).toBe("6xpxxr77qh");
  expect(revisionOf({ metadata: { annotations: { note: "\u{1F600} ü".repeat(5000) } } })).toBe(
    "bd28b5dtkz",
  );
});
