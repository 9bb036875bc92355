// Owns: certificates of tests: an authority, a server's that is not for 127.0.0.1, a client's, and
// those of a stranger.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Certificates {
  /** Path of `ca.pem`, `server.pem`, `server.key`, `client.pem`, `stranger.key` and so on. */
  file(name: string): string;
}

/** The name that the server's certificate has. */
export const SERVER_NAME = "target.test";

export function makeCertificates(folder: string): Certificates {
  mkdirSync(folder, { recursive: true });
  const openssl = (...args: readonly string[]): void => {
    const { exitCode, stderr } = Bun.spawnSync(["openssl", ...args], { cwd: folder });
    if (exitCode !== 0) throw new Error(stderr.toString());
  };
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  for (const name of ["ca", "other-ca"])
    openssl(
      ...["req", "-x509", ...curve, "-keyout", `${name}.key`, "-out", `${name}.pem`],
      ...["-days", "2", "-subj", `/CN=${name}`],
    );
  const signed = (name: string, by: string, alternative: string): void => {
    openssl(
      ...["req", ...curve, "-keyout", `${name}.key`, "-out", `${name}.csr`],
      ...["-subj", `/CN=${name}`],
    );
    writeFileSync(join(folder, "ext"), `subjectAltName=${alternative}\n`);
    openssl(
      ...["x509", "-req", "-in", `${name}.csr`, "-CA", `${by}.pem`, "-CAkey", `${by}.key`],
      ...["-CAcreateserial", "-days", "2", "-extfile", "ext", "-out", `${name}.pem`],
    );
  };
  signed("server", "ca", `DNS:${SERVER_NAME}`);
  signed("client", "ca", "DNS:client.test");
  signed("stranger", "other-ca", "DNS:client.test");
  return { file: (name) => join(folder, name) };
}
