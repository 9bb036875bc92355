// Owns: the table of drivers.
import { DRIVER_NAMES, type Driver, type DriverName } from "./driver.ts";
import { holdfastDriver } from "./holdfast.ts";
import { socketioDriver } from "./socketio.ts";
import { wsDriver } from "./ws.ts";

const DRIVERS: Readonly<Record<DriverName, Driver>> = {
  holdfast: holdfastDriver,
  socketio: socketioDriver,
  ws: wsDriver,
};

export const driverOf = (name: DriverName): Driver => DRIVERS[name];

export const isDriverName = (name: string): name is DriverName => DRIVER_NAMES.some((known) => known === name);
