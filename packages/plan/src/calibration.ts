// Owns: the measured figures that a plan uses, the source of each, and how a user's own figures
// replace them.

export interface Calibration {
  /** Resident memory of a node without connections. */
  readonly nodeBytes: number;
  /** CPU of a node that has nothing to do, in a second. */
  readonly nodeIdleUs: number;
  /** Resident memory of a connection with a session, and of each subscription. */
  readonly connectionBytes: number;
  readonly subscriptionBytes: number;
  /** Kernel memory of an idle socket on the node's side. */
  readonly socketBytes: number;
  /**
   * CPU of a publication at a node that has subscribers, whatever their number: hub, ring,
   * encoding.
   */
  readonly publicationUs: number;
  /** CPU of one delivery, at a node that writes to 1,000 and to 10,000 connections. */
  readonly deliveryUs1k: number;
  readonly deliveryUs10k: number;
  /** CPU at a node of handing a publication to Redis, and of getting one from there. */
  readonly brokerPublishUs: number;
  readonly brokerReceiveUs: number;
  /**
   * CPU of a new connection: until its upgrade is done; until it has a session; for each
   * subscription; to turn it away.
   */
  readonly upgradeUs: number;
  readonly connectUs: number;
  readonly subscribeUs: number;
  readonly refuseUs: number;
  /**
   * CPU of Redis for each publish; memory of a channel with one publication, of a further
   * publication beside its data, and for each node that listens.
   */
  readonly redisPublishUs: number;
  readonly redisChannelBytes: number;
  readonly redisPublicationBytes: number;
  readonly redisListenerBytes: number;
  /** CPU of Redis for each message to a node. */
  readonly redisMessageUs: number;
  /** Bytes on the wire beside the data: of a publish to Redis, and of each message from there. */
  readonly redisInBytes: number;
  readonly redisOutBytes: number;
  /** Memory of a publication in a node's ring, beside its data. */
  readonly ringPublicationBytes: number;
}

export const CALIBRATION: Calibration = {
  nodeBytes: 76_000_000,
  nodeIdleUs: 6_000,
  connectionBytes: 2_686,
  subscriptionBytes: 2_966,
  socketBytes: 3_712,
  publicationUs: 24.2,
  deliveryUs1k: 5.7,
  deliveryUs10k: 9.8,
  brokerPublishUs: 11.4,
  brokerReceiveUs: 5.4,
  upgradeUs: 130,
  connectUs: 57,
  subscribeUs: 38,
  refuseUs: 80,
  redisPublishUs: 20,
  redisChannelBytes: 4_560,
  redisPublicationBytes: 20,
  redisListenerBytes: 420,
  redisMessageUs: 0.63,
  redisInBytes: 316,
  redisOutBytes: 76,
  ringPublicationBytes: 200,
};

export type CalibrationRead =
  | { readonly ok: true; readonly calibration: Calibration }
  | { readonly ok: false; readonly message: string };

/**
 * The default figures with those that are given: an object of some of their names and numbers, 0 or
 * more.
 */
export function calibrationFrom(given: unknown): CalibrationRead {
  if (typeof given !== "object" || given === null || Array.isArray(given))
    return {
      ok: false,
      message:
        'Cannot use the calibration: found no JSON object, expected one like {"connectionBytes": 2700}',
    };
  for (const [name, value] of Object.entries(given)) {
    if (!(name in CALIBRATION))
      return {
        ok: false,
        message: `Cannot use the calibration: found "${name}", expected some of ${Object.keys(CALIBRATION).join(", ")}`,
      };
    if (typeof value !== "number" || !Number.isFinite(value) || value < 0)
      return {
        ok: false,
        message: `Cannot use the calibration: found ${JSON.stringify(value)} for ${name}, expected a number, 0 or more`,
      };
  }
  return { ok: true, calibration: { ...CALIBRATION, ...given } };
}

/**
 * CPU of one delivery at a node with so many connections. It is interpolated from the two measured
 * values by the logarithm, and never less than the cheaper one.
 */
export function deliveryUs(calibration: Calibration, connections: number): number {
  const { deliveryUs1k, deliveryUs10k } = calibration;
  const steps = Math.min(1.5, Math.max(0, Math.log10(Math.max(1, connections) / 1000)));
  return deliveryUs1k + (deliveryUs10k - deliveryUs1k) * steps;
}
