// Owns: certificates and keys in files: whether they can be used, and why not. What a key says is
// in no error.
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";

/** A file that cannot be used. One line for people. */
export class TlsFileError extends Error {
  readonly code = "tls_file";
  readonly option: string;
  readonly file: string;

  constructor({ option, file, why }: { option: string; file: string; why: string }) {
    super(`${option}: ${file} cannot be used: ${why}`);
    this.name = "TlsFileError";
    this.option = option;
    this.file = file;
  }
}

/** An option that names a file. */
export interface NamedFile {
  /** `upstreamTls.caFile of route app` */
  readonly option: string;
  readonly file: string;
}

/** A bundle of all authorities of the world takes 250 kB. */
const BYTES_MAX = 1024 * 1024;
const PEM = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** A certificate chain and its key, as texts; and when the first certificate ends, in ms. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
  readonly endsMs: number;
}

/** Throws TlsFileError. */
export function readAuthorities(named: NamedFile): string {
  const text = textOf(named);
  certificatesOf(named, text);
  return text;
}

/** Throws TlsFileError. */
export function readIdentity(certFile: NamedFile, keyFile: NamedFile): Identity {
  const [cert, key] = [textOf(certFile), textOf(keyFile)];
  const [first] = certificatesOf(certFile, cert);
  const privateKey = privateKeyOf(keyFile, key);
  if (first?.checkPrivateKey(privateKey) !== true)
    throw new TlsFileError({
      ...keyFile,
      why: `it is not the key of the certificate in ${certFile.file}`,
    });
  return { cert, key, endsMs: Date.parse(first.validTo) };
}

function textOf(named: NamedFile): string {
  try {
    if (statSync(named.file).size > BYTES_MAX)
      throw new TlsFileError({ ...named, why: `it has more than ${BYTES_MAX} bytes` });
    return readFileSync(named.file, "utf8");
  } catch (error) {
    if (error instanceof TlsFileError) throw error;
    throw new TlsFileError({ ...named, why: whyUnread(error) });
  }
}

function whyUnread(error: unknown): string {
  const { code } = error as { readonly code?: unknown };
  if (code === "ENOENT" || code === "ENOTDIR") return "there is no such file";
  if (code === "EACCES" || code === "EPERM") return "this process may not read it";
  if (code === "EISDIR") return "it is a folder";
  return `it cannot be read (${String(code)})`;
}

/** At least one. */
function certificatesOf(named: NamedFile, text: string): readonly X509Certificate[] {
  const found = text.match(PEM) ?? [];
  if (found.length === 0)
    throw new TlsFileError({ ...named, why: "it holds no certificate in PEM" });
  return found.map((pem, index) => {
    try {
      return new X509Certificate(pem);
    } catch {
      throw new TlsFileError({ ...named, why: `certificate ${index + 1} in it is none` });
    }
  });
}

function privateKeyOf(named: NamedFile, text: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch {
    // What the parser says could quote the file.
    const why = text.includes("ENCRYPTED")
      ? "its key is encrypted: nobody is there to say the passphrase"
      : "it holds no private key in PEM";
    throw new TlsFileError({ ...named, why });
  }
}
