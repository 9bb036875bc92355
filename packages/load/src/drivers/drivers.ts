// Owns: the table of drivers.
import { centrifugeDriver } from "./centrifuge.ts";
import { DRIVER_NAMES, type Driver, type DriverName } from "./driver.ts";
import { holdfastDriver } from "./holdfast.ts";
import { pusherDriver } from "./pusher.ts";
import { socketioDriver } from "./socketio.ts";
import { wsDriver } from "./ws.ts";

const DRIVERS: Readonly<Record<DriverName, Driver>> = {
  holdfast: holdfastDriver,
  socketio: socketioDriver,
  ws: wsDriver,
  centrifuge: centrifugeDriver,
  pusher: pusherDriver,
};

export const driverOf = (name: DriverName): Driver => DRIVERS[name];

export const isDriverName = (name: string): name is DriverName =>
  DRIVER_NAMES.some((known) => known === name);
