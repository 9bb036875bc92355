// Checks what counts as being in the executable, and that its bill says that and nothing that
// changes by itself.
import { describe, expect, test } from "bun:test";
import { type Bill, billOf, debianPackage, licencesOf, packagesOf } from "./bill.ts";

test("packages are those of the sources, each once, nested ones too, ours by their folders", () => {
  const inputs = [
    "node_modules/yaml/dist/index.js",
    "node_modules/yaml/dist/doc.js",
    "node_modules/a/node_modules/@scope/b/c.js",
    "../../node_modules/zod/index.js",
    "packages/core/src/index.ts",
    "apps/holdfast/src/main.ts",
    "apps/demo/src/index.ts",
    "absent:msgpackr-extract",
  ];
  expect(packagesOf(inputs)).toEqual([
    "@holdfast/core",
    "@holdfast/demo",
    "@scope/b",
    "holdfast",
    "yaml",
    "zod",
  ]);
});

const STATUS = `Package: libc-bin
Status: install ok installed
Architecture: amd64
Version: 2.36-9

Package: libc6
Status: install ok installed
Architecture: arm64
Multi-Arch: same
Version: 2.36-9+deb12u13
`;

describe("a bill of materials", () => {
  const component = (name: string, scope: string) => ({
    "bom-ref": `${name}@1.0.0`,
    name,
    purl: `pkg:npm/${name.replace("@", "%40")}@1.0.0`,
    scope,
  });
  const whole = (serialNumber: string, timestamp: string): Bill => ({
    bomFormat: "CycloneDX",
    serialNumber,
    metadata: { timestamp, component: component("workspace", "required") },
    components: [
      component("holdfast", "required"),
      component("bun", "optional"),
      component("@scope/b", "required"),
      component("typescript", "optional"),
    ],
    dependencies: [
      { ref: "holdfast@1.0.0", dependsOn: ["@scope/b@1.0.0", "typescript@1.0.0"] },
      { ref: "typescript@1.0.0", dependsOn: [] },
    ],
  });
  const libc = debianPackage(STATUS, "libc6");
  const bill = billOf(whole("urn:uuid:1", "2026-01-01"), {
    packages: ["holdfast", "@scope/b"],
    ...(libc === undefined ? {} : { libc }),
  });

  test("has what is shipped, Bun and the C library with it, and nothing that only builds", () => {
    expect(bill.metadata.component.purl).toBe("pkg:npm/holdfast@1.0.0");
    expect(bill.components.map(({ purl, scope }) => [purl, scope])).toEqual([
      ["pkg:npm/bun@1.0.0", "required"],
      ["pkg:npm/%40scope/b@1.0.0", "required"],
      ["pkg:deb/debian/libc6@2.36-9%2Bdeb12u13?arch=arm64", "required"],
    ]);
    expect(bill.dependencies).toEqual([{ ref: "holdfast@1.0.0", dependsOn: ["@scope/b@1.0.0"] }]);
  });

  test("is the same for the same parts, whenever it is made, and another one for others", () => {
    const packages = ["holdfast", "@scope/b"];
    const again = billOf(whole("urn:uuid:2", "2027-12-31"), {
      packages,
      ...(libc === undefined ? {} : { libc }),
    });
    expect(again).toEqual(bill);
    expect(String(bill.serialNumber)).toMatch(
      /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/,
    );
    expect(billOf(whole("urn:uuid:1", "2026-01-01"), { packages }).serialNumber).not.toBe(
      bill.serialNumber,
    );
  });
});

test("a Debian package is found by its whole name, or is not there", () => {
  expect(debianPackage(STATUS, "libc6")).toMatchObject({
    version: "2.36-9+deb12u13",
    arch: "arm64",
  });
  expect(debianPackage(STATUS, "libc")).toBeUndefined();
});

test("licences are the packages' own texts", async () => {
  expect(await licencesOf(["holdfast", "@holdfast/core", "yaml"])).toMatch(
    /^=+\nyaml 2\.\d+\.\d+\n=+\n\nCopyright/,
  );
});
