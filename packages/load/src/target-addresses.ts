// Owns: the target URL and the local address of each connection.
import type { Driver, SpeakerOptions } from "./drivers/driver.ts";
import type { Target } from "./plan.ts";
import type { Address } from "./wire/raw-socket.ts";

/** Addresses by number of the connection: URLs in turn, and for each URL the sources in turn. */
export function addressesOf(
  target: Target,
  driver: Driver,
  options: SpeakerOptions,
): (index: number) => Address {
  const subprotocol = driver.subprotocol(options);
  const headers = driver.headers(options);
  const urls = target.urls.map((text) => withPath(text, driver.path));
  const sources: readonly (string | undefined)[] =
    target.sources.length === 0 ? [undefined] : target.sources;
  const addresses = sources.flatMap((source) =>
    urls.map(
      (url): Address => ({
        url,
        headers,
        verifiesTls: target.verifiesTls,
        ...(subprotocol === undefined ? {} : { subprotocol }),
        ...(source === undefined ? {} : { source }),
      }),
    ),
  );
  return (index) =>
    addresses[index % addresses.length] ?? {
      url: new URL(target.urls[0] ?? ""),
      verifiesTls: target.verifiesTls,
    };
}

/** A URL without a path gets the dialect's. */
function withPath(text: string, path: string): URL {
  const url = new URL(text);
  return url.pathname === "/" && url.search === "" ? new URL(path, url) : url;
}
