import { expect, test } from "bun:test";
import { isAddressRange } from "./network-forms.ts";

test("address ranges are IPv4 or IPv6 with a fitting prefix", () => {
  const good = ["10.0.0.1", "10.0.0.0/8", "::1", "fd00::/8", "::ffff:10.0.0.1", "0.0.0.0/0"];
  const bad = [
    "10.0.0",
    "10.0.0.256",
    "01.2.3.4",
    "10.0.0.0/33",
    "::1/129",
    "host",
    "10.0.0.0/8/8",
    ":",
    "10.0.0.0/",
    "1:2",
  ];
  expect(good.filter(isAddressRange)).toEqual(good);
  expect(bad.filter(isAddressRange)).toEqual([]);
});
