// Checks tickets: their time, their keys, and who may come back with one.
import { expect, test } from "bun:test";
import { createTickets, isTicket, TICKET_MS } from "./ticket.ts";

const [OLD, NEW, OTHER] = ["o", "n", "x"].map((letter) => letter.repeat(32)) as [
  string,
  string,
  string,
];
const T0 = 1_700_000_000_000;
const PROOF_MS = 300_000;
const ADA = {
  user: "ada",
  info: { a: 1 },
  caps: [{ channel: "a", actions: ["subscribe"] }],
} as const;
const tickets = createTickets([NEW, OLD], PROOF_MS);

test("a ticket says what the token said, for a minute", () => {
  const { ticket, expiresMs } = tickets.issue(ADA, T0);
  expect([isTicket(ticket), expiresMs]).toEqual([true, TICKET_MS]);
  expect(tickets.open(ticket, T0)).toEqual(ADA);
  expect(tickets.open(ticket, T0 + TICKET_MS)).toEqual(ADA);
  expect(tickets.open(ticket, T0 + TICKET_MS + 1)).toBe("expired");
});

test("a ticket ends with its token", () => {
  const { ticket, expiresMs } = tickets.issue({ ...ADA, expiresAtMs: T0 + 5_000 }, T0);
  expect(expiresMs).toBe(5_000);
  expect(tickets.open(ticket, T0 + 5_000)).toBe("expired");
  expect(tickets.renew(ticket, tickets.prove(ticket, T0), T0 + 5_000)).toBeUndefined();
});

test("a changed ticket, and one of another cluster, opens nothing", () => {
  const { ticket } = tickets.issue(ADA, T0);
  for (let i = 0; i < ticket.length; i++) {
    const changed = ticket.slice(0, i) + (ticket[i] === "A" ? "B" : "A") + ticket.slice(i + 1);
    expect([i, tickets.open(changed, T0)]).toEqual([i, undefined]);
  }
  expect(createTickets([OTHER], PROOF_MS).open(ticket, T0)).toBeUndefined();
  expect(tickets.open("", T0)).toBeUndefined();
});

test("the other secret's tickets are good while secrets rotate", () => {
  const { ticket } = createTickets([OLD], PROOF_MS).issue(ADA, T0);
  const proof = createTickets([OLD], PROOF_MS).prove(ticket, T0);
  expect(tickets.open(ticket, T0)).toEqual(ADA);
  expect(tickets.renew(ticket, proof, T0 + 120_000)).toBeDefined();
});

test("who read the stream returns with a ticket that is over, and nobody else does", () => {
  const { ticket } = tickets.issue(ADA, T0);
  const later = T0 + 3_600_000;
  const proof = tickets.prove(ticket, later);
  const renewed = tickets.renew(ticket, proof, later + PROOF_MS - 1) ?? "";
  expect(tickets.open(renewed, later + PROOF_MS)).toEqual(ADA);
  const none = [
    "",
    ".",
    proof.slice(0, -1),
    `${proof}x`,
    proof.replace(".", "1."),
    tickets.prove(tickets.issue({ user: "eve" }, T0).ticket, later),
    createTickets([OTHER], PROOF_MS).prove(ticket, later),
    "zzzzzzz.AAAAAAAAAAAAAAAA",
  ];
  for (const other of none)
    expect([other, tickets.renew(ticket, other, later)]).toEqual([other, undefined]);
  expect(tickets.renew(ticket, proof, later + PROOF_MS + 60_000)).toBeUndefined();
  expect(tickets.renew(ticket, tickets.prove(ticket, T0 + 2e8), T0 + 2e8)).toBeUndefined();
});
