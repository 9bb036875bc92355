// Owns: a node's contract, made of the application's definition and the configuration's channels.
import {
  type Contract,
  type ContractDefinition,
  compileContract,
  definitionFromConfig,
} from "@holdfast/contract";
import { payloadFromValue, payloadValue } from "@holdfast/protocol/node";
import { type BackEnd, type BackEndParts, openBackEnds, withBackEnds } from "../back-ends/index.ts";
import type { ServerEvents } from "../events.ts";
import type { BackEndMap } from "../options/back-ends.ts";
import type { Config } from "../options/index.ts";
import { StartError } from "./start-error.ts";
import { systemRandom } from "./system.ts";

export interface ContractSources {
  /** What the contract file exports. */
  readonly definition?: ContractDefinition;
  /** Absent: nobody calls what back ends answer. */
  readonly backEnds?: {
    /** Option `backEnds`. */
    readonly settings: BackEndMap;
    readonly opened: ReadonlyMap<string, BackEnd>;
  };
  /** Option `channels`. */
  readonly channels: unknown;
  readonly channelLengthMax: number;
  /**
   * Whether the node accepts clients without a token. If so, channels without rules for them are
   * open to them.
   */
  readonly anonymous: boolean;
  readonly onError: (where: string, error: unknown) => void;
}

/** What of a node's options its contract is made of. */
interface LoadOptions {
  readonly contract?: ContractDefinition;
  readonly config: Config;
  readonly secret?: (name: string) => string | undefined;
}

/** The contract of a node's options, with its back ends. Throws StartError with every problem. */
export function loadContract(
  { contract: definition, config, secret = () => undefined }: LoadOptions,
  { recorder, events }: Pick<BackEndParts, "recorder"> & { readonly events: ServerEvents },
): Contract {
  const settings = config.backEnds;
  const opened = openBackEnds(settings, { secret, recorder, events, random: systemRandom });
  const contract = nodeContract({
    ...(definition === undefined ? {} : { definition }),
    backEnds: { settings, opened },
    channels: config.channels,
    channelLengthMax: config.limits.channelLengthMax,
    anonymous: config.auth.anonymous,
    onError: (where, error) => events.bug({ where, error }),
  });
  const channels =
    Object.keys(definition?.channels ?? {}).length + Object.keys(config.channels ?? {}).length;
  const remote = Object.values(settings).flatMap(({ rpcs }) => Object.keys(rpcs)).length;
  const rpcs = Object.keys(definition?.rpc ?? {}).length + remote;
  events.contractLoaded({ channels, rpcs });
  return contract;
}

export const PAYLOAD_VALUES = { toValue: payloadValue, fromValue: payloadFromValue };

/**
 * Throws StartError with every problem. A channel may be declared in only one of the two places.
 */
export function nodeContract({
  definition,
  backEnds,
  channels,
  channelLengthMax,
  anonymous,
  onError,
}: ContractSources): Contract {
  const fromConfig = definitionFromConfig(channels);
  if (!fromConfig.ok) throw new StartError("contract_invalid", fromConfig.problems);
  const twice = Object.keys(fromConfig.definition.channels).filter((name) =>
    Object.hasOwn(definition?.channels ?? {}, name),
  );
  if (twice.length > 0) {
    const problems = twice.map(
      (name) =>
        `Cannot use channel "${name}": found it in the contract and in option channels, expected one of them`,
    );
    throw new StartError("contract_invalid", problems);
  }
  const whole: ContractDefinition = {
    ...definition,
    channels: { ...definition?.channels, ...fromConfig.definition.channels },
  };
  const wired =
    backEnds === undefined
      ? ({ ok: true, definition: whole } as const)
      : withBackEnds(whole, backEnds.settings, backEnds.opened);
  if (!wired.ok) throw new StartError("contract_invalid", wired.problems);
  const compiled = compileContract(wired.definition, {
    channelLengthMax,
    defaultRule: anonymous ? "anyone" : "authenticated",
    values: PAYLOAD_VALUES,
    onError,
  });
  if (!compiled.ok) throw new StartError("contract_invalid", compiled.problems);
  return compiled.contract;
}
