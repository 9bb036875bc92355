// Owns: the routes in force, and what a new configuration changes about them.

import { LiveRoute, type RouteNeeds } from "./live-route.ts";
import type { RouteOptions } from "./options/route-fields.ts";
import { type RouteTls, readRouteTls } from "./tls/route-tls.ts";

export class LiveRoutes {
  readonly #needs: RouteNeeds;
  #all: readonly LiveRoute[] = [];
  /** Of discovery, as it was told last. */
  readonly #told = new WeakMap<LiveRoute, string>();

  constructor(needs: RouteNeeds) {
    this.#needs = needs;
  }

  get all(): readonly LiveRoute[] {
    return this.#all;
  }

  find(name: string): LiveRoute | undefined {
    return this.#all.find((route) => route.name === name);
  }

  /**
   * Routes keep who they are by name. What is removed finds no endpoints any more. Throws
   * TlsFileError if a file of one cannot be used: then nothing has changed.
   */
  set(options: readonly RouteOptions[]): {
    readonly added: readonly LiveRoute[];
    readonly removed: readonly LiveRoute[];
  } {
    const read = options.map((one): [RouteOptions, RouteTls] => [one, readRouteTls(one)]);
    const before = new Map(this.#all.map((route) => [route.name, route]));
    const added: LiveRoute[] = [];
    const changed: string[] = [];
    this.#all = read.map(([one, tls]) => {
      const known = before.get(one.name);
      before.delete(one.name);
      if (known === undefined) {
        const route = new LiveRoute(one, tls, this.#needs);
        added.push(route);
        return route;
      }
      if (known.configure(one, tls)) changed.push(one.name);
      return known;
    });
    const removed = [...before.values()];
    for (const route of removed) route.end();
    if (added.length + changed.length + removed.length > 0)
      this.#needs.events.routesChanged({
        added: added.map(({ name }) => name),
        changed,
        removed: removed.map(({ name }) => name),
      });
    return { added, removed };
  }

  /** Says once when a service's source is away, and once when it is back. */
  tellTrouble(): void {
    for (const live of this.#all) {
      const { trouble, name: route } = live;
      if (trouble === this.#told.get(live)) continue;
      if (trouble === undefined) this.#told.delete(live);
      else this.#told.set(live, trouble);
      if (trouble === undefined) this.#needs.events.discoveryWell({ route });
      else this.#needs.events.discoveryTrouble({ route, trouble });
    }
  }

  /** Files of TLS are replaced while the configuration stays as it is. */
  rereadTls(): void {
    for (const route of this.#all) route.rereadTls();
  }

  end(): void {
    for (const route of this.#all) route.end();
  }
}
