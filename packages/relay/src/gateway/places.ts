// Owns: how many clients the gateway has, and how many of them each address.

/** Counted from the first look at a request until the client's socket is closed. */
export class Places {
  readonly #ofParty = new Map<string, number>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Which limit stands against another client of this address; undefined: it was taken. */
  take(
    address: string,
    { clientsMax, perAddressMax }: { readonly clientsMax: number; readonly perAddressMax: number },
  ): "all" | "address" | undefined {
    const party = partyOf(address);
    const own = this.#ofParty.get(party) ?? 0;
    if (own >= perAddressMax) return "address";
    if (this.#count >= clientsMax) return "all";
    this.#count += 1;
    this.#ofParty.set(party, own + 1);
    return undefined;
  }

  give(address: string): void {
    const party = partyOf(address);
    const own = this.#ofParty.get(party) ?? 0;
    this.#count -= 1;
    if (own > 1) this.#ofParty.set(party, own - 1);
    else this.#ofParty.delete(party);
  }
}

/** Who an address belongs to: whoever has one address of IPv6 has all of its first 64 bits. */
export function partyOf(address: string): string {
  if (!address.includes(":") || address.includes(".")) return address;
  const [head = "", tail] = address.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  return [...before, ...Array<string>(zeros).fill("0"), ...after].slice(0, 4).join(":");
}
