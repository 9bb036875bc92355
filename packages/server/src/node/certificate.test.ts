import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { certificateEndsMs } from "./certificate.ts";

/** Of nobody, for node.example; its key was thrown away. */
const PEM = `-----BEGIN CERTIFICATE-----
MIIBQjCB9aADAgECAhRMTl5I7vzyPFUWsDUjjAz4dI/M2TAFBgMrZXAwFzEVMBMG
A1UEAwwMbm9kZS5leGFtcGxlMB4XDTI2MTEyODAxMTgyM1oXDTM2MTEyNTAxMTgy
M1owFzEVMBMGA1UEAwwMbm9kZS5leGFtcGxlMCowBQYDK2VwAyEAZKfZnxCQQP7k
oFYdZSaTQtXb8i6QZ1+U/P2X4BCPJ9WjUzBRMB0GA1UdDgQWBBTQCSKm7foviD86
MKWYm2Dwu9j3+zAfBgNVHSMEGDAWgBTQCSKm7foviD86MKWYm2Dwu9j3+zAPBgNV
HRMBAf8EBTADAQH/MAUGAytlcANBAFC821IQwuq+d5wr6IklhMxr8HD9HpZdrkWF
ptUvvABC+Jsu7BwcqkT5xUbZBl2PkpjSnFlVG/4jeUmSD8mb6A0=
-----END CERTIFICATE-----
`;
const folder = mkdtempSync(join(tmpdir(), "holdfast-certificate-"));
afterAll(() => rmSync(folder, { recursive: true }));

function place(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

test("a certificate ends when it says", () => {
  expect(certificateEndsMs(place("chain.pem", PEM))).toBe(Date.parse("2036-11-25T01:18:23.000Z"));
});

test.each([
  ["no file", undefined],
  ["a file that is not there", join(folder, "absent.pem")],
  ["a file that holds no certificate", place("text.pem", "not a certificate")],
])("%s has no end", (_, file) => expect(certificateEndsMs(file)).toBeUndefined());
