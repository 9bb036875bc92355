/**
 * `ms` on a quiet machine, times how much slower this one is. `npm test` measures that before each
 * stage and says it in TEST_SLOWNESS; without it, `ms`. For limits alone, never for what a
 * test asserts.
 */
export declare function patience(ms: number): number;
