// Checks what a stranger on the admin port can take: connections that are slow, and many of them.
import { expect, setDefaultTimeout, test } from "bun:test";
import { connect as connectTcp, type Socket } from "node:net";
import { patience } from "../../../test/patience.ts";
import { EchoServer, opened, startGateway, until } from "./testing/setting.ts";

setDefaultTimeout(patience(40_000));

function slow(port: number, bytes: string) {
  const socket: Socket = connectTcp({ port, host: "127.0.0.1" });
  const one = { socket, text: "", isClosed: false };
  socket.on("data", (data) => {
    one.text += data.toString("latin1");
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    one.isClosed = true;
  });
  socket.write(bytes);
  opened.push({ stop: () => socket.destroy() });
  return one;
}
const order = (length: number) =>
  [
    ...["POST /api/v1/endpoints/app/a/drain HTTP/1.1", "Host: a"],
    ...[`Authorization: Bearer ${"all".padEnd(40, ".")}`, `Content-Length: ${length}`, "\r\n"],
  ].join("\r\n");

test("orders without an end are given up, and hold nobody else up", async () => {
  const a = new EchoServer("a");
  const { program, admin, api, ready, metric } = startGateway(
    `routes: [{name: app, service: {static: ["${a.address}"]}}]`,
  );
  const all = Array.from({ length: 140 }, () => slow(program.adminPort, `${order(1000)}{`));
  const status = ({ text }: { readonly text: string }) => text.split(" ")[1] ?? "";
  // 128 of one address are under way, and the others are refused at once.
  await until("some are refused", () => all.filter((one) => status(one) === "429").length === 12);
  expect((await fetch(`${admin}/metrics`)).status).toBe(429);
  // Whether it lives is told to anybody, at any time.
  expect([await ready(), (await fetch(`${admin}/livez`)).status]).toEqual([200, 200]);
  // A byte now and then is no way to stay.
  const drip = setInterval(() => {
    for (const { socket, isClosed } of all) if (!isClosed) socket.write(" ");
  }, 500);
  try {
    const isOver = () => all.every((one) => ["408", "429"].includes(status(one)));
    await until("they are given up", isOver).catch(() => until("they are given up", isOver));
  } finally {
    clearInterval(drip);
  }
  expect((await api("GET", "routes")).status).toBe(200);
  expect(await metric("holdfast_gateway_admin_refused_total")).toBe(13);
  for (const { socket } of all) socket.destroy();
});

test("a body that is too long, and a head without end, get an answer or an end", async () => {
  const a = new EchoServer("a");
  const { program, ready } = startGateway(
    `routes: [{name: app, service: {static: ["${a.address}"]}}]`,
  );
  const big = slow(program.adminPort, `${order(100_000)}${"x".repeat(100_000)}`);
  const head = slow(program.adminPort, `GET /livez HTTP/1.1\r\nX-A: ${"x".repeat(100_000)}`);
  await until("the body is refused", () => big.text.startsWith("HTTP/1.1 413"));
  await until("the head is refused", () => head.text.includes(" 431 ") || head.isClosed);
  expect(await ready()).toBe(200);
});
