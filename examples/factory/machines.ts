// Owns: simulated machines: each has a connection of its own by MQTT and says its temperature, with
// QoS 1, until the program is ended.
import mqtt from "mqtt";

const [url = "mqtt://localhost:1883", count = "200", everyMs = "1000"] = process.argv.slice(2);
const LINES = ["north", "south"];
/** Machines warm up and cool down within so many readings, each from another place of the wave. */
const WAVE = 120;
/** Machines are switched on one after the other: nodes refuse more at once, and let them wait. */
const SWITCH_ON_MS = 20;

for (let index = 0; index < Number(count); index++) {
  const machine = `m${index}`;
  const topic = `telemetry:${LINES[index % LINES.length]}`;
  const client = mqtt.connect(url, {
    ...{ protocolVersion: 5, clientId: machine, clean: false, reconnectPeriod: 1000 },
    // A node that is busy says so: then the machine tries again.
    reconnectOnConnackError: true,
    properties: { sessionExpiryInterval: 3600 },
  });
  client.on("error", ({ message }) => console.error(`${machine}: ${message}`));
  let n = 0;
  const say = (): void => {
    n += 1;
    const celsius = 75 + 20 * Math.sin(((n + index * 7) * 2 * Math.PI) / WAVE);
    const reading = { machine, n, celsius: Math.round(celsius * 10) / 10, at: Date.now() };
    client.publish(topic, JSON.stringify(reading), { qos: 1 });
  };
  // Not all in one moment.
  setTimeout(() => setInterval(say, Number(everyMs)), Math.random() * Number(everyMs));
  await Bun.sleep(SWITCH_ON_MS);
}
