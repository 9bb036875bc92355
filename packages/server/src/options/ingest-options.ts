// Owns: the rows of the option table that bound ingest. Each description ends with why the default
// is what it is.
import { bytes, duration, integer } from "@holdfast/config";

const MIB = 1024 * 1024;

export const INGEST_OPTIONS = {
  bodyBytesMax: bytes({
    default: 8 * MIB,
    min: 1024,
    max: 256 * MIB,
    description:
      "Largest body of a request to ingest, before and after decompression. 8 MiB hold tens of thousands of readings.",
  }),
  eventsMax: integer({
    default: 10_000,
    min: 1,
    max: 99_999,
    description: "Most events of one request. 10,000 results are an answer of about 1 MiB.",
  }),
  bodyTimeoutMs: duration({
    default: 30_000,
    min: 100,
    max: 10 * 60_000,
    description: "Longest time for a body to arrive. 30 s is enough for 8 MiB over a slow line.",
  }),
  bytesInFlightMax: bytes({
    default: 64 * MIB,
    min: 16 * 1024,
    max: 16 * 1024 * MIB,
    description:
      "Bytes of bodies that the node holds at once. One key or user may hold as much as is still free. 64 MiB are a share of a small node that does not hurt it.",
  }),
  bytesPerSecondMax: bytes({
    default: 64 * MIB,
    min: 1024,
    max: 16 * 1024 * MIB,
    description:
      "Bytes that ingest takes in a second, read and decompressed. If all ask for more, keys, users and addresses get a share each. A core reads about as much.",
  }),
  eventsPerSecondMax: integer({
    default: 50_000,
    min: 1,
    max: 10_000_000,
    description:
      "Events that ingest takes in a second, shared in the same way. A core and a broker publish about as many.",
  }),
} as const;
