// Owns: judging an answer to a history request.
import type { DeliveryClass, ServerFrame } from "@holdfast/protocol";
import type { BrokerTruth } from "./broker-truth.ts";
import { dataText, short } from "./data.ts";
import type { Verdict } from "./verdict.ts";

type HistoryFrame = Extract<ServerFrame<unknown>, { readonly t: "history" }>;

/**
 * At most `limit` publications, oldest first, each as the broker took it, without holes (latest:
 * rising).
 */
export function judgeHistory(
  frame: HistoryFrame,
  options: {
    readonly who: string;
    readonly channel: { readonly name: string; readonly cls: DeliveryClass };
    readonly limit: number;
    readonly truth: BrokerTruth;
    readonly verdict: Verdict;
  },
): void {
  const { who, channel, limit, truth, verdict } = options;
  const broken = (text: string): void =>
    verdict.broken("H1", `${who} read the history of ${channel.name}: ${text}`);
  if (channel.cls !== "latest" && frame.pubs.length > limit)
    broken(`${frame.pubs.length} publications, asked for ${limit}`);
  let before: number | undefined;
  for (const { o, data } of frame.pubs) {
    const taken = truth.at(channel.name, { epoch: frame.e, offset: o });
    const read = dataText(data);
    if (taken === undefined) broken(`${frame.e} ${o} never was`);
    else if (taken.text !== read)
      verdict.broken(
        "data",
        `${who} read ${short(read)} at ${channel.name} ${o}, the broker took ${short(taken.text)}`,
      );
    const follows =
      before === undefined || (channel.cls === "latest" ? o > before : o === before + 1);
    if (!follows) broken(`${o} follows ${before}`);
    before = o;
  }
}
