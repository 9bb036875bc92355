// Owns: a node's contract, made of the application's definition and the configuration's channels.
import {
  type Contract,
  type ContractDefinition,
  compileContract,
  definitionFromConfig,
} from "@holdfast/contract";
import { payloadFromValue, payloadValue } from "@holdfast/protocol/node";
import { StartError } from "./start-error.ts";

export interface ContractSources {
  /** What the contract file exports. */
  readonly definition?: ContractDefinition;
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

export const PAYLOAD_VALUES = { toValue: payloadValue, fromValue: payloadFromValue };

/**
 * Throws StartError with every problem. A channel may be declared in only one of the two places.
 */
export function nodeContract({
  definition,
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
  const compiled = compileContract(whole, {
    channelLengthMax,
    defaultRule: anonymous ? "anyone" : "authenticated",
    values: PAYLOAD_VALUES,
    onError,
  });
  if (!compiled.ok) throw new StartError("contract_invalid", compiled.problems);
  return compiled.contract;
}
