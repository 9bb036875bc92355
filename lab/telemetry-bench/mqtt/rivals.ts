// Owns: the MQTT brokers that are compared: their names, and how each is set up, in the words of
// the page.

export const BROKER_NAMES = [
  "mosquitto",
  "mochi",
  "nats",
  "aedes",
  "holdfast",
  "holdfast-redis",
] as const;
export type BrokerName = (typeof BROKER_NAMES)[number];

export const BROKER_TEXTS: Readonly<
  Record<BrokerName, { readonly title: string; readonly setup: string }>
> = {
  mosquitto: {
    title: "mosquitto",
    setup:
      "Written in C (EPL-2.0). Debian's package, with everything in memory: `persistence false`, its default. `set_tcp_nodelay true`, as the others have it. `max_queued_messages 0`: its default dropped 18 of 5,000 messages of 20 clients to one. It counted them in `$SYS`. It logs nothing.",
  },
  mochi: {
    title: "mochi-mqtt",
    setup:
      "A library in Go (MIT). The program starts it as its documentation does, with everything in memory. It is built from the module `github.com/mochi-mqtt/server/v2`.",
  },
  nats: {
    title: "NATS",
    setup:
      "`nats-server` in Go (Apache-2.0). Debian's package, with its MQTT listener. It keeps sessions and messages in JetStream, in files that are synchronized every two minutes.",
  },
  aedes: {
    title: "aedes",
    setup:
      "A library for Node (MIT). The program starts it as its documentation does, with everything in memory.",
  },
  holdfast: {
    title: "Holdfast",
    setup:
      "`holdfast serve` with `mqtt.transports: tcp`, and with everything in memory. Each publication has an offset and is kept in a history of 10,000. Clients without a password are accepted. Some limits are raised so that they do not refuse the load.",
  },
  "holdfast-redis": {
    title: "Holdfast over Redis",
    setup:
      "The same with `broker.url`. PUBACK means that Redis has the publication. Redis writes to disk once a second. Its CPU is in a row of its own.",
  },
};
