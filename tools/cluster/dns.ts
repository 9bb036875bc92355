// Owns: the names inside of the cluster: CoreDNS as Kubernetes objects.
import { COREDNS_IMAGE } from "./images.ts";
import { DNS_SERVICE_IP } from "./settings.ts";

const NAME = "coredns";
const NAMESPACE = "kube-system";
const LABELS = { "k8s-app": "kube-dns" };
const COREFILE = `.:5353 {
    errors
    health :8080
    ready :8181
    kubernetes cluster.local in-addr.arpa {
        pods insecure
    }
    cache 10
}
`;

const metadata = { name: NAME, namespace: NAMESPACE };
const clusterMetadata = { name: "system:coredns" };

const container = {
  name: NAME,
  image: COREDNS_IMAGE,
  imagePullPolicy: "Never",
  args: ["-conf", "/etc/coredns/Corefile"],
  ports: [
    { name: "dns", containerPort: 5353, protocol: "UDP" },
    { name: "dns-tcp", containerPort: 5353, protocol: "TCP" },
  ],
  readinessProbe: { httpGet: { path: "/ready", port: 8181 }, periodSeconds: 2 },
  resources: { requests: { cpu: "20m", memory: "40Mi" } },
  volumeMounts: [{ name: "conf", mountPath: "/etc/coredns" }],
};

/** Objects for `kubectl apply`: a Deployment of two, its rights and the Service. */
export const dnsObjects = (): unknown => ({
  apiVersion: "v1",
  kind: "List",
  items: [
    { apiVersion: "v1", kind: "ServiceAccount", metadata },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRole",
      metadata: clusterMetadata,
      rules: [
        {
          apiGroups: [""],
          resources: ["endpoints", "services", "pods", "namespaces"],
          verbs: ["list", "watch"],
        },
        {
          apiGroups: ["discovery.k8s.io"],
          resources: ["endpointslices"],
          verbs: ["list", "watch"],
        },
      ],
    },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: clusterMetadata,
      roleRef: {
        apiGroup: "rbac.authorization.k8s.io",
        kind: "ClusterRole",
        name: clusterMetadata.name,
      },
      subjects: [{ kind: "ServiceAccount", name: NAME, namespace: NAMESPACE }],
    },
    { apiVersion: "v1", kind: "ConfigMap", metadata, data: { Corefile: COREFILE } },
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { ...metadata, labels: LABELS },
      spec: {
        replicas: 2,
        selector: { matchLabels: LABELS },
        template: {
          metadata: { labels: LABELS },
          spec: {
            serviceAccountName: NAME,
            priorityClassName: "system-cluster-critical",
            topologySpreadConstraints: [
              {
                maxSkew: 1,
                topologyKey: "kubernetes.io/hostname",
                whenUnsatisfiable: "ScheduleAnyway",
                labelSelector: { matchLabels: LABELS },
              },
            ],
            containers: [container],
            volumes: [{ name: "conf", configMap: { name: NAME } }],
          },
        },
      },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "kube-dns", namespace: NAMESPACE, labels: LABELS },
      spec: {
        clusterIP: DNS_SERVICE_IP,
        selector: LABELS,
        ports: [
          { name: "dns", port: 53, targetPort: "dns", protocol: "UDP" },
          { name: "dns-tcp", port: 53, targetPort: "dns-tcp", protocol: "TCP" },
        ],
      },
    },
  ],
});
