import { expect, test } from "bun:test";
import { isAddressRange, isHttpUrl, isOrigin } from "./forms.ts";

test("origins are what browsers send", () => {
  const good = [
    "*",
    "https://a.example",
    "http://localhost:3000",
    "chrome-extension://abcdef",
    "http://[::1]:80",
  ];
  const bad = [
    "a.example",
    "https://a.example/",
    "https://A.example",
    "https://u@a.example",
    "ftp://a",
    "https://",
    "null",
    "https://a?b",
  ];
  expect(good.filter(isOrigin)).toEqual(good);
  expect(bad.filter(isOrigin)).toEqual([]);
});

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

test("keys come over https, or from loopback", () => {
  expect(
    [
      "https://a/k",
      "http://127.0.0.1:1/k",
      "http://[::1]/k",
      "http://a/k",
      "file:///k",
      "https://u:p@a/k",
      "x",
    ].map(isHttpUrl),
  ).toEqual([true, true, true, false, false, false, false]);
});
