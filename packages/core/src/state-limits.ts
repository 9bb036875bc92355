// Owns: the check of keys, owners and values of a state store, the same in every adapter.
import { BrokerError } from "./broker-error.ts";
import {
  STATE_BYTES_MAX,
  STATE_KEEP_MS_MAX,
  STATE_KEY_BYTES_MAX,
  STATE_OWNER_BYTES_MAX,
} from "./state-port.ts";

/** Throws BrokerError "limit". */
export function demandStateKey(key: string): void {
  demandText("key", key, STATE_KEY_BYTES_MAX);
}

/** Throws BrokerError "limit". */
export function demandStateOwner(owner: string): void {
  demandText("owner", owner, STATE_OWNER_BYTES_MAX);
}

/** Throws BrokerError "limit". */
export function demandStateValue(value: Uint8Array | undefined): void {
  const bytes = value?.byteLength ?? 0;
  if (bytes > STATE_BYTES_MAX)
    throw refused(`a value of ${bytes} bytes`, `at most ${STATE_BYTES_MAX}`);
}

/** A whole number of milliseconds from 0 to for ever. Throws BrokerError "limit". */
export function stateMs(ms: number): number {
  if (!(ms >= 0)) throw refused(`a time of ${ms} ms`, "0 or more");
  return Math.min(Math.ceil(ms), STATE_KEEP_MS_MAX);
}

function demandText(what: string, text: string, bytesMax: number): void {
  const bytes = utf8Bytes(text);
  if (bytes === undefined) throw refused(`a ${what} with half a character`, "Unicode text");
  if (bytes === 0 || bytes > bytesMax)
    throw refused(`a ${what} of ${bytes} bytes`, `1 to ${bytesMax}`);
}

const refused = (found: string, expected: string): BrokerError =>
  new BrokerError("limit", `Cannot keep state: found ${found}, expected ${expected}`);

/** Undefined if a surrogate stands alone: two such texts could be the same key in UTF-8. */
function utf8Bytes(text: string): number | undefined {
  let bytes = 0;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) bytes += 1;
    else if (unit < 0x800) bytes += 2;
    else if (unit < 0xd800 || unit > 0xdfff) bytes += 3;
    else {
      const next = text.charCodeAt(index + 1);
      if (unit > 0xdbff || !(next >= 0xdc00 && next <= 0xdfff)) return undefined;
      bytes += 4;
      index += 1;
    }
  }
  return bytes;
}
