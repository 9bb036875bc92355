// Checks who may connect from a web page.
import { describe, expect, test } from "bun:test";
import { originCheck, type PageRequest } from "./origins.ts";

interface Case extends Partial<PageRequest> {
  readonly what: string;
  readonly allowed?: readonly string[];
  readonly host: string;
  /** Whether it may connect: to a node that lets anonymous clients in, to one that does not. */
  readonly may: readonly [anonymous: boolean, tokens: boolean];
}

const YES = [true, true] as const;
const NO = [false, false] as const;
const BY_TOKEN = [false, true] as const;

const ownPages: readonly Case[] = [
  { what: "no page at all", host: "node:8000", may: YES },
  { what: "localhost", origin: "http://localhost:8000", host: "localhost:8000", may: YES },
  { what: "an address", origin: "http://10.0.0.5:8000", host: "10.0.0.5:8000", may: YES },
  { what: "an IPv6 address", origin: "http://[::1]:8000", host: "[::1]:8000", may: YES },
  { what: "another port", origin: "http://localhost:3000", host: "localhost:8000", may: NO },
  {
    what: "a name that somebody pointed at the node",
    origin: "http://evil.example:8000",
    host: "evil.example:8000",
    may: BY_TOKEN,
  },
  {
    what: "React Native on Android, which sends the node's own name",
    origin: "https://chat.example",
    host: "chat.example",
    may: YES,
  },
  {
    what: "React Native on Android with the port in its URL",
    origin: "https://chat.example:443",
    host: "chat.example:443",
    may: YES,
  },
  {
    what: "React Native's emulator",
    origin: "http://10.0.2.2:8000",
    host: "10.0.2.2:8000",
    may: YES,
  },
  { what: "mDNS", origin: "http://box.local:8000", host: "box.local:8000", may: YES },
  { what: "a machine's short name", origin: "http://box:8000", host: "box:8000", may: YES },
  { what: "a name in capitals", origin: "https://chat.example", host: "Chat.Example", may: YES },
  {
    what: "a default port that a proxy wrote out",
    origin: "https://chat.example",
    host: "chat.example:443",
    may: YES,
  },
  {
    what: "https behind a proxy that speaks http to the node",
    origin: "https://chat.example",
    host: "chat.example",
    scheme: "http",
    may: YES,
  },
  {
    what: "an http page beside a node with https",
    origin: "http://chat.example",
    host: "chat.example",
    scheme: "https",
    may: NO,
  },
  { what: "a local file", origin: "file://", host: "localhost:8000", may: NO },
  { what: "a page without an origin", origin: "null", host: "localhost:8000", may: NO },
  { what: "a page, no Host", origin: "http://localhost:8000", host: "", may: NO },
  {
    what: "a host that only begins like the node's",
    origin: "https://chat.example.evil",
    host: "chat.example",
    may: NO,
  },
  { what: "text that is no origin", origin: "chat.example", host: "chat.example", may: NO },
  {
    what: "a name that hides in another part",
    origin: "https://chat.example@evil.example",
    host: "chat.example",
    may: NO,
  },
];

const listed: readonly Case[] = [
  ["a listed origin", ["https://app.example"], "https://app.example", YES],
  ["one that begins alike", ["https://app.example"], "https://app.example.evil", NO],
  ["any", ["*"], "https://anything", YES],
  ["a default port in the list", ["https://app.example:443"], "https://app.example", YES],
  ["a default port in the header", ["http://app.example"], "http://app.example:80", YES],
  ["capitals in the list", ["https://App.Example"], "https://app.example", YES],
  ["Unicode in the list", ["https://bücher.example"], "https://xn--bcher-kva.example", YES],
  ["a host below a domain", ["https://*.app.example"], "https://pr-12.app.example", YES],
  ["a host far below it", ["https://*.app.example"], "https://a.b.app.example", YES],
  ["the domain itself", ["https://*.app.example"], "https://app.example", NO],
  ["a longer domain", ["https://*.app.example"], "https://evilapp.example", NO],
  ["a domain behind it", ["https://*.app.example"], "https://a.app.example.evil", NO],
  ["another scheme below it", ["https://*.app.example"], "http://a.app.example", NO],
  ["another port below it", ["https://*.app.example"], "https://a.app.example:8443", NO],
  ["the same port below it", ["https://*.app.example:8443"], "https://a.app.example:8443", YES],
  ["a path that looks alike", ["https://*.app.example"], "https://evil/.app.example", NO],
  ["a local file", ["file://"], "file://", YES],
  ["a page without an origin", ["null"], "null", YES],
  ["nothing else by null", ["null"], "https://app.example", NO],
  ["a Capacitor application", ["capacitor://localhost"], "capacitor://localhost", YES],
  ["an Ionic application", ["ionic://localhost"], "ionic://localhost", YES],
  ["an extension", ["chrome-extension://abcdefgh"], "chrome-extension://abcdefgh", YES],
].map(([what, allowed, origin, may]) => ({ what, allowed, origin, may, host: "node" }) as Case);

describe.each([
  ["a page of the node's own host", ownPages],
  ["a page that is listed, or not", listed],
] as const)("%s", (_kind, cases) => {
  test.each([...cases])("$what", ({ allowed = [], origin = null, host, scheme, may }) => {
    const decided = [true, false].map((anonymous) =>
      originCheck({ allowedOrigins: allowed, anonymous })({ origin, host, scheme }),
    );
    expect(decided).toEqual([...may]);
  });
});
