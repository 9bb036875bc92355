// Owns: a simulated device: publishes two readings, under the sensor's name as key, every 100 ms.
import { Holdfast } from "@holdfast/client";
import type contract from "./holdfast.config.ts";

const [url = "ws://localhost:8000/connect"] = process.argv.slice(2);
const telemetry = new Holdfast<typeof contract>(url).channel("telemetry:boiler");
for (let n = 0; ; n++) {
  await telemetry.publish({ value: 80 + 5 * Math.sin(n / 20), unit: "°C" }, { key: "temperature" });
  await telemetry.publish({ value: 2 + Math.cos(n / 20) / 4, unit: "bar" }, { key: "pressure" });
  await new Promise((resolve) => setTimeout(resolve, 100));
}
