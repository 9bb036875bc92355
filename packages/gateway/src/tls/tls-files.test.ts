import { afterAll, beforeAll, expect, test } from "bun:test";
import { Pki } from "../testing/pki.ts";
import { readAuthorities, readIdentity, TlsFileError } from "./tls-files.ts";

let pki: Pki;
beforeAll(() => {
  pki = new Pki("ca", "other");
  pki.certify("app", "ca", "DNS:app.internal");
  pki.write("empty.pem", "");
  pki.write("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  pki.write("big.pem", "x".repeat(1024 * 1024 + 1));
  pki.encrypt("app", "encrypted.key");
});
afterAll(() => pki.stop());

const named = (option: string, file: string) => ({ option, file: pki.path(file) });
const refusal = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof TlsFileError) return error.message;
    throw error;
  }
  return "none";
};

test("a chain and its key are read, and when the first certificate ends", async () => {
  const chain = pki.write("chain.pem", `${await pki.text("app.pem")}${await pki.text("ca.pem")}`);
  const read = readIdentity({ option: "certFile", file: chain }, named("keyFile", "app.key"));
  expect(read.endsMs).toBeGreaterThan(Date.now());
  expect(readAuthorities(named("caFile", "ca.pem"))).toBe(await pki.text("ca.pem"));
});

const authorities: readonly (readonly [string, string])[] = [
  ["absent.pem", "there is no such file"],
  [".", "it is a folder"],
  ["empty.pem", "it holds no certificate in PEM"],
  ["app.key", "it holds no certificate in PEM"],
  ["broken.pem", "certificate 1 in it is none"],
  ["big.pem", "it has more than 1048576 bytes"],
];
test.each(authorities)("authorities in %s: %s", (file, why) => {
  const said = refusal(() => readAuthorities(named("upstreamTls.caFile of route app", file)));
  expect(said).toBe(`upstreamTls.caFile of route app: ${pki.path(file)} cannot be used: ${why}`);
});

const keys: readonly (readonly [string, string])[] = [
  ["absent.key", "there is no such file"],
  ["app.pem", "it holds no private key in PEM"],
  ["broken.pem", "it holds no private key in PEM"],
  ["encrypted.key", "its key is encrypted: nobody is there to say the passphrase"],
  ["other.key", "it is not the key of the certificate in"],
];
test.each(keys)("a key in %s: %s", async (file, why) => {
  const said = refusal(() => readIdentity(named("certFile", "app.pem"), named("keyFile", file)));
  expect(said).toStartWith(`keyFile: ${pki.path(file)} cannot be used: ${why}`);
  // Not a line of any key is in what people read.
  const text = file === "absent.key" ? "" : await pki.text(file);
  for (const line of text.split("\n").filter((one) => one.length > 10))
    expect(said).not.toContain(line);
});
