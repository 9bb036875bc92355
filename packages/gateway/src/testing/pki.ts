// Owns: authorities and certificates for tests, made by openssl, in a folder that goes with them.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const KEY = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

/** `NAME.pem` and `NAME.key` in a folder of its own. */
export class Pki {
  readonly folder = mkdtempSync(join(tmpdir(), "holdfast-pki-"));

  constructor(...authorities: readonly string[]) {
    for (const name of authorities)
      this.#openssl(
        `req -x509 ${KEY} -keyout ${name}.key -out ${name}.pem -days 2 -subj /CN=${name}`,
      );
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  text(name: string): Promise<string> {
    return Bun.file(this.path(name)).text();
  }

  write(name: string, text: string): string {
    writeFileSync(this.path(name), text);
    return this.path(name);
  }

  /** `names` as openssl writes them: `DNS:app.internal,IP:127.0.0.1`. */
  certify(name: string, authority: string, names: string): void {
    this.write(`${name}.ext`, `subjectAltName=${names}\n`);
    this.#openssl(`req ${KEY} -keyout ${name}.key -out ${name}.csr -subj /CN=${name}`);
    const by = `-CA ${authority}.pem -CAkey ${authority}.key -CAcreateserial`;
    this.#openssl(`x509 -req -in ${name}.csr ${by} -days 2 -extfile ${name}.ext -out ${name}.pem`);
  }

  /** The same key, which nobody can read without a passphrase. */
  encrypt(name: string, to: string): string {
    this.#openssl(`ec -in ${name}.key -aes128 -passout pass:sesame -out ${to}`);
    return this.path(to);
  }

  stop(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #openssl(args: string): void {
    const { exitCode, stderr } = Bun.spawnSync(["openssl", ...args.split(" ")], {
      cwd: this.folder,
    });
    if (exitCode !== 0) throw new TypeError(`openssl ${args}: ${stderr}`);
  }
}
