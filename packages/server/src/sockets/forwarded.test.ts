// Checks what is believed of proxies: the headers that real ones write, and what clients put there.
import { describe, expect, test } from "bun:test";
import { patience } from "../../../../test/patience.ts";
import { addressOf, type ClientRequest, forwardedReader } from "./forwarded.ts";

interface Case {
  readonly front: string;
  readonly peer: string;
  readonly trusted: readonly string[];
  /** Lines as they arrive; several of one name are joined by commas, as HTTP says. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly header?: "forwarded";
  readonly client: ClientRequest;
}

const XFF = "X-Forwarded-For";
const INSIDE = ["10.0.0.0/8", "fd00::/8"];

const fronts: readonly Case[] = [
  {
    front: "nginx with $proxy_add_x_forwarded_for, behind a client that lies",
    peer: "10.0.0.1",
    trusted: INSIDE,
    headers: [
      [XFF, "6.6.6.6, 203.0.113.7"],
      ["X-Forwarded-Proto", "https"],
    ],
    client: { address: "203.0.113.7", scheme: "https" },
  },
  {
    front: "HAProxy, whose option forwardfor adds a line of its own",
    peer: "10.0.0.1",
    trusted: INSIDE,
    headers: [
      [XFF, "6.6.6.6"],
      [XFF, "203.0.113.7"],
    ],
    client: { address: "203.0.113.7" },
  },
  {
    front: "HAProxy with option forwarded (RFC 7239)",
    peer: "10.0.0.1",
    trusted: INSIDE,
    header: "forwarded",
    headers: [["Forwarded", 'proto=https;for="203.0.113.7:54321";host="chat.example"']],
    client: { address: "203.0.113.7", host: "chat.example", scheme: "https" },
  },
  {
    front: "Envoy",
    peer: "::ffff:10.0.0.1",
    trusted: INSIDE,
    headers: [
      [XFF, "203.0.113.7,10.9.9.9"],
      ["X-Forwarded-Proto", "https"],
      ["X-Envoy-External-Address", "203.0.113.7"],
    ],
    client: { address: "203.0.113.7", scheme: "https" },
  },
  {
    front: "an AWS ALB",
    peer: "10.0.3.4",
    trusted: INSIDE,
    headers: [
      [XFF, "203.0.113.7"],
      ["X-Forwarded-Proto", "https"],
      ["X-Forwarded-Port", "443"],
    ],
    client: { address: "203.0.113.7", scheme: "https" },
  },
  {
    front: "an AWS ALB that keeps client ports",
    peer: "10.0.3.4",
    trusted: INSIDE,
    headers: [[XFF, "203.0.113.7:8080"]],
    client: { address: "203.0.113.7" },
  },
  {
    front: "an AWS ALB with an IPv6 client",
    peer: "fd00::4",
    trusted: INSIDE,
    headers: [[XFF, "2001:DB8:85a3:0:0:8a2e:370:7334"]],
    client: { address: "2001:db8:85a3::8a2e:370:7334" },
  },
  {
    front: "an AWS ALB that keeps client ports, with an IPv6 client",
    peer: "fd00::4",
    trusted: INSIDE,
    headers: [[XFF, "[2001:db8:85a3::8a2e:370:7334]:8080"]],
    client: { address: "2001:db8:85a3::8a2e:370:7334" },
  },
  {
    front: "an AWS NLB, which passes the client's address and no header",
    peer: "203.0.113.7",
    trusted: INSIDE,
    headers: [],
    client: { address: "203.0.113.7" },
  },
  {
    front: "Azure Application Gateway, which writes the port",
    peer: "10.0.0.9",
    trusted: INSIDE,
    headers: [
      [XFF, "203.0.113.7:49852"],
      ["X-Original-Host", "chat.example"],
      ["X-Forwarded-Proto", "https"],
      ["X-Forwarded-Port", "443"],
    ],
    client: { address: "203.0.113.7", scheme: "https" },
  },
  {
    front: "Azure Front Door before an Application Gateway",
    peer: "10.0.0.9",
    trusted: [...INSIDE, "147.243.0.0/16"],
    headers: [
      [XFF, "203.0.113.7, 147.243.16.4:31245"],
      ["X-Forwarded-Host", "chat.example"],
    ],
    client: { address: "203.0.113.7", host: "chat.example" },
  },
  {
    front: "Cloudflare before nginx",
    peer: "10.0.0.1",
    trusted: [...INSIDE, "173.245.48.0/20"],
    headers: [
      [XFF, "203.0.113.7, 173.245.52.9"],
      ["CF-Connecting-IP", "203.0.113.7"],
    ],
    client: { address: "203.0.113.7" },
  },
  {
    front: "Traefik, which names the scheme of the socket",
    peer: "10.0.0.1",
    trusted: INSIDE,
    headers: [
      [XFF, "203.0.113.7"],
      ["X-Forwarded-Host", "chat.example"],
      ["X-Forwarded-Port", "443"],
      ["X-Forwarded-Proto", "wss"],
      ["X-Forwarded-Server", "traefik-1"],
      ["X-Real-Ip", "203.0.113.7"],
    ],
    client: { address: "203.0.113.7", host: "chat.example:443", scheme: "https" },
  },
  {
    front: "GKE, which adds the client and the address of its rule",
    peer: "35.191.1.2",
    trusted: ["35.191.0.0/16", "130.211.0.0/22", "34.120.1.1"],
    headers: [[XFF, "6.6.6.6,203.0.113.7,34.120.1.1"]],
    client: { address: "203.0.113.7" },
  },
  {
    front: "a tunnel to a developer's machine (Codespaces)",
    peer: "127.0.0.1",
    trusted: ["127.0.0.0/8"],
    headers: [
      ["X-Forwarded-Host", "name-8000.app.github.dev"],
      ["X-Forwarded-Proto", "https"],
    ],
    client: { address: "127.0.0.1", host: "name-8000.app.github.dev", scheme: "https" },
  },
];

const rfc7239 = (value: string): Case["headers"] => [["Forwarded", value]];
const elements: readonly (readonly [what: string, value: string, client: ClientRequest])[] = [
  ["a bare address", "for=192.0.2.60", { address: "192.0.2.60" }],
  ["names in any case", "FOR=192.0.2.60;Proto=HTTPS", { address: "192.0.2.60", scheme: "https" }],
  ["IPv6 with a port", 'for="[2001:db8:cafe::17]:4711"', { address: "2001:db8:cafe::17" }],
  ["two proxies", "for=192.0.2.43, for=10.2.3.4", { address: "192.0.2.43" }],
  [
    "a client that lies before them",
    "for=6.6.6.6;host=evil, for=192.0.2.43;host=chat.example",
    { address: "192.0.2.43", host: "chat.example" },
  ],
  [
    "separators inside quotes",
    'for=192.0.2.43;host="a,b;c\\"d";proto=http',
    { address: "192.0.2.43", host: 'a,b;c"d', scheme: "http" },
  ],
  ["a client that hides", "for=_hidden", { address: "10.0.0.1", unread: "unreadable" }],
  ["an unknown client", "for=unknown", { address: "10.0.0.1", unread: "unreadable" }],
  [
    "an element without for",
    "proto=https",
    { address: "10.0.0.1", unread: "unreadable", scheme: "https" },
  ],
  ["a quote that does not end", 'for="192.0.2.43', { address: "10.0.0.1", unread: "unreadable" }],
  ["nothing", "", { address: "10.0.0.1" }],
];

describe("behind a proxy that is trusted", () => {
  test.each([...fronts])("$front", ({ peer, trusted, headers, header, client }) => {
    const read = forwardedReader({ trusted, header: header ?? "x-forwarded" });
    expect(read(peer, new Headers(headers.map(([name, value]) => [name, value])))).toEqual(client);
  });

  test.each(elements)("Forwarded with %s", (_what, value, client) => {
    const read = forwardedReader({ trusted: INSIDE, header: "forwarded" });
    const headers = new Headers(rfc7239(value).map(([name, text]) => [name, text]));
    expect(read("10.0.0.1", headers)).toEqual(client);
  });

  test("an unreadable hop ends the search at the proxy that wrote it", () => {
    const read = forwardedReader({ trusted: INSIDE, header: "x-forwarded" });
    const answer = read(
      "10.0.0.1",
      new Headers({ [XFF]: "203.0.113.7, not an address, 10.1.1.1" }),
    );
    expect(answer).toEqual({ address: "10.1.1.1", unread: "unreadable" });
  });

  test("only the headers of one kind are read, so a client cannot add the other", () => {
    const headers = new Headers({ [XFF]: "6.6.6.6", Forwarded: "for=203.0.113.7" });
    const read = (header: "x-forwarded" | "forwarded") =>
      forwardedReader({ trusted: INSIDE, header })("10.0.0.1", headers).address;
    expect([read("forwarded"), read("x-forwarded")]).toEqual(["203.0.113.7", "6.6.6.6"]);
  });

  test("a header as long as its sender likes is read in one pass", () => {
    const read = forwardedReader({ trusted: INSIDE, header: "forwarded" });
    for (const part of ["a", '"', "\\", ";", "for=", ",", "for=10.0.0.1,"]) {
      const value = part.repeat(16_000 / part.length);
      const startedMs = performance.now();
      read("10.0.0.1", new Headers({ Forwarded: value }));
      expect(performance.now() - startedMs).toBeLessThan(patience(1_000));
    }
  });
});

test("nobody is believed who is not trusted, and that is told", () => {
  const headers = new Headers({ [XFF]: "1.2.3.4", "X-Forwarded-Host": "evil" });
  for (const trusted of [[], ["10.0.0.0/8"]]) {
    const read = forwardedReader({ trusted, header: "x-forwarded" });
    expect(read("192.0.2.1", headers)).toEqual({ address: "192.0.2.1", unread: "untrusted" });
    expect(read("192.0.2.1", new Headers())).toEqual({ address: "192.0.2.1" });
  }
});

test("an address has one spelling", () => {
  const spelled: readonly (readonly [text: string, address: string | undefined])[] = [
    ["10.0.0.1", "10.0.0.1"],
    ["10.0.0.1:1", "10.0.0.1"],
    ["::ffff:10.0.0.1", "10.0.0.1"],
    ["::FFFF:a00:1", "10.0.0.1"],
    ["[::ffff:10.0.0.1]:9", "10.0.0.1"],
    ["2001:DB8:0:0::1", "2001:db8::1"],
    ["[2001:db8::1]", "2001:db8::1"],
    ["fe80::1%eth0", "fe80::1"],
    ["10.0.0.1:port", undefined],
    ["10.0.0.256", undefined],
    ["[10.0.0.1]", undefined],
    ["[::1", undefined],
    ["", undefined],
    ["localhost", undefined],
  ];
  for (const [text, address] of spelled) expect([text, addressOf(text)]).toEqual([text, address]);
});
