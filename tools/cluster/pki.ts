// Owns: the cluster's certificates, and the kubeconfig files that use them. They last for a year
// and end with the cluster.
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { API_PORT, API_SERVICE_IP, HOST_IP, NAME, nodeIp, nodeName, PATHS } from "./settings.ts";
import { run } from "./shell.ts";

const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
const DAYS = "365";

export const pkiFile = (name: string): string => join(PATHS.pki, name);
export const kubeconfigOf = (name: string): string => join(PATHS.conf, `${name}.kubeconfig`);

interface Certificate {
  readonly name: string;
  readonly authority: "ca" | "front-ca";
  /** As openssl writes it: `/O=group/CN=name`. */
  readonly subject: string;
  readonly names?: string;
  /** Whether a kubeconfig is written that uses it. */
  readonly isUser?: boolean;
}

const SERVICE_NAMES = ["", ".default", ".default.svc", ".default.svc.cluster.local"]
  .map((rest) => `DNS:kubernetes${rest}`)
  .join(",");

const CONTROL_PLANE: readonly Certificate[] = [
  {
    name: "apiserver",
    authority: "ca",
    subject: "/CN=kube-apiserver",
    names: `${SERVICE_NAMES},IP:127.0.0.1,IP:${HOST_IP},IP:${API_SERVICE_IP}`,
  },
  {
    name: "apiserver-to-kubelet",
    authority: "ca",
    subject: "/O=system:masters/CN=kube-apiserver-kubelet-client",
  },
  { name: "front-client", authority: "front-ca", subject: "/CN=front-proxy-client" },
  { name: "admin", authority: "ca", subject: "/O=system:masters/CN=admin", isUser: true },
  {
    name: "controllers",
    authority: "ca",
    subject: "/CN=system:kube-controller-manager",
    isUser: true,
  },
  { name: "scheduler", authority: "ca", subject: "/CN=system:kube-scheduler", isUser: true },
  { name: "proxy", authority: "ca", subject: "/CN=system:kube-proxy", isUser: true },
];

const ofNode = (node: number): Certificate => ({
  name: nodeName(node),
  authority: "ca",
  subject: `/O=system:nodes/CN=system:node:${nodeName(node)}`,
  names: `DNS:${nodeName(node)},IP:${nodeIp(node)}`,
  isUser: true,
});

/** Makes what is missing. Keys can be read by root alone. */
export async function ensurePki(nodes: number): Promise<void> {
  mkdirSync(PATHS.pki, { recursive: true, mode: 0o700 });
  mkdirSync(PATHS.conf, { recursive: true, mode: 0o700 });
  for (const name of ["ca", "front-ca"]) await makeAuthority(name);
  const each = Array.from({ length: nodes }, (_, index) => ofNode(index + 1));
  await Promise.all([...CONTROL_PLANE, ...each].map(makeCertificate));
  await makeServiceAccountKey();
  writeKubeconfig(PATHS.kubeconfig, "admin");
}

async function makeAuthority(name: string): Promise<void> {
  if (existsSync(pkiFile(`${name}.crt`))) return;
  await run([
    ...["openssl", "req", "-x509", ...KEY, "-days", DAYS, "-subj", `/CN=${NAME}-${name}`],
    ...["-addext", "basicConstraints=critical,CA:TRUE"],
    ...["-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature"],
    ...["-keyout", pkiFile(`${name}.key`), "-out", pkiFile(`${name}.crt`)],
  ]);
}

async function makeCertificate(certificate: Certificate): Promise<void> {
  const { name, authority, subject, names, isUser } = certificate;
  if (isUser === true) writeKubeconfig(kubeconfigOf(name), name);
  if (existsSync(pkiFile(`${name}.crt`))) return;
  const extensions = [
    "keyUsage=critical,digitalSignature,keyEncipherment",
    "extendedKeyUsage=serverAuth,clientAuth",
    ...(names === undefined ? [] : [`subjectAltName=${names}`]),
  ];
  const request = pkiFile(`${name}.csr`);
  const extensionFile = pkiFile(`${name}.ext`);
  writeFileSync(extensionFile, extensions.join("\n"));
  const key = pkiFile(`${name}.key`);
  await run(["openssl", "req", ...KEY, "-subj", subject, "-keyout", key, "-out", request]);
  await run([
    ...["openssl", "x509", "-req", "-in", request, "-days", DAYS, "-extfile", extensionFile],
    ...["-CA", pkiFile(`${authority}.crt`), "-CAkey", pkiFile(`${authority}.key`)],
    ...["-set_serial", `0x${crypto.randomUUID().replaceAll("-", "")}`],
    ...["-out", pkiFile(`${name}.crt`)],
  ]);
  for (const file of [request, extensionFile]) rmSync(file);
}

async function makeServiceAccountKey(): Promise<void> {
  const key = pkiFile("service-accounts.key");
  if (existsSync(key)) return;
  await run(["openssl", "genrsa", "-out", key, "2048"]);
  await run(["openssl", "rsa", "-in", key, "-pubout", "-out", pkiFile("service-accounts.pub")]);
}

/** Kubeconfig files are YAML, and JSON is YAML. */
function writeKubeconfig(file: string, name: string): void {
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      {
        name: NAME,
        cluster: {
          server: `https://${HOST_IP}:${API_PORT}`,
          "certificate-authority": pkiFile("ca.crt"),
        },
      },
    ],
    users: [
      {
        name,
        user: {
          "client-certificate": pkiFile(`${name}.crt`),
          "client-key": pkiFile(`${name}.key`),
        },
      },
    ],
    contexts: [{ name: NAME, context: { cluster: NAME, user: name } }],
    "current-context": NAME,
  };
  writeFileSync(file, `${JSON.stringify(config, undefined, 2)}\n`);
  chmodSync(file, 0o600);
}
