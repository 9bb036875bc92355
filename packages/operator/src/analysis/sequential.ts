// Owns: two tests of counts that may be looked at as often as one likes: is the canary worse, and
// is it surely not worse by much.
//
// The first is a mixture sequential probability ratio test (H. Robbins, "Statistical methods
// related to the law of the iterated logarithm", Ann. Math. Statist. 41, 1970). R. Johari, P.
// Koomen, L. Pekelis and D. Walsh show how it is used for experiments that are watched ("Always
// Valid Inference: Continuous Monitoring of A/B Tests", Operations Research 70(3), 2022). By the
// inequality of Ville, the chance that its ratio ever exceeds 1 / a is at most a if the canary is
// not worse. The second is A. Wald's ratio test ("Sequential Tests of Statistical Hypotheses",
// Ann. Math. Statist. 16, 1945).

/** Bad things out of chances. `bad` is 0 to `of`. */
export interface Count {
  readonly bad: number;
  readonly of: number;
}

/**
 * How many times as often as stable a bad canary fails: the mixture's points, of equal weight. The
 * least is the margin: a canary that is worse by less than about a fifth is never proved bad.
 */
const WORSE_BY = [1.5, 2, 4, 10, 40, 200] as const;

/**
 * Bad minutes come in bursts, because one pod or one network fails for many connections. A
 * logarithm of a ratio counts only in this part. Bursts of up to so many for each cause are no
 * proof.
 */
const BURST = 4;

/**
 * The logarithm of how much likelier the counts are if the canary is worse than if it is as stable
 * is. Given all bad ones, each one is the canary's with the canary's share of the chances.
 */
export function evidenceOfWorse(canary: Count, stable: Count): number {
  if (canary.of <= 0 || stable.of <= 0) return 0;
  const same = canary.of / (canary.of + stable.of);
  const terms = WORSE_BY.map((ratio) => {
    const worse = (ratio * canary.of) / (ratio * canary.of + stable.of);
    return (
      (canary.bad * Math.log(worse / same) + stable.bad * Math.log((1 - worse) / (1 - same))) /
        BURST -
      Math.log(WORSE_BY.length)
    );
  });
  const most = Math.max(...terms);
  return most + Math.log(terms.reduce((sum, term) => sum + Math.exp(term - most), 0));
}

/** A rate below this is taken for this: nothing is known of rates that small. */
const RATE_MIN = 0.0005;

/**
 * The logarithm of how much likelier the canary's counts are if it fails as often as stable than if
 * it fails in `margin` more of its chances. `margin` above 0.
 */
export function evidenceOfNoWorse(canary: Count, stable: Count, margin: number): number {
  const rate = Math.max(RATE_MIN, stable.of > 0 ? stable.bad / stable.of : 0);
  return (margin * canary.of - canary.bad * Math.log((rate + margin) / rate)) / BURST;
}

/** Of chances: as often as this is usual without a fault, and as this if it is broken. */
const USUAL = 0.1;
const BROKEN = 0.5;

/**
 * The logarithm of how much likelier the canary's counts are if it fails in half of its chances
 * than if it fails in a tenth: Wald's ratio test. For a canary that stable cannot be compared with.
 */
export function evidenceOfBroken({ bad, of }: Count): number {
  const good = Math.max(0, of - bad);
  const logRatio = Math.log((1 - BROKEN) / (1 - USUAL));
  return (bad * Math.log(BROKEN / USUAL) + good * logRatio) / BURST;
}
