// Owns: the panel of one pipeline: its steps, counts, outputs, partitions and newest records.
import type { LiveRecord } from "../live.ts";
import type { OutputSight, PipelineSight } from "./live-board.ts";
import { bytes, count, duration, keyWords, timeOfDay, valueWords } from "./live-words.ts";

export function PipelinePlate({ pipeline }: { readonly pipeline: PipelineSight }) {
  const { name, version, source, steps, events, newest } = pipeline;
  const id = `pipeline-${name}`;
  return (
    <section className="plate pipeline" aria-labelledby={id} data-testid={id}>
      <header>
        <h2 id={id}>{name}</h2>
        <p className="spec">
          <code>{source}</code>
          <span>version {version}</span>
        </p>
      </header>
      <ol className="steps" aria-label="Steps">
        {steps.map((step, i) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: steps have no name, and do not move.
          <li key={i}>
            <code>{step}</code>
          </li>
        ))}
      </ol>
      {pipeline.refused === undefined ? null : (
        <p className="refused" role="alert">
          A node refuses to run it: {pipeline.refused}
        </p>
      )}
      <dl className="counts">
        <Count label="in" value={count(events.received ?? 0)} per={pipeline.inPerSecond} />
        <Count label="out" value={count(pipeline.results)} per={pipeline.outPerSecond} />
        <Count label="filtered" value={count(events.filtered ?? 0)} />
        <Count label="late" value={count(events.late ?? 0)} isBad={(events.late ?? 0) > 0} />
        <Count label="dead" value={count(events.dead ?? 0)} isBad={(events.dead ?? 0) > 0} />
        <Count
          label="behind"
          value={count(pipeline.lag)}
          unit={pipeline.lagMs > 0 ? duration(pipeline.lagMs) : "events"}
          isBad={pipeline.lagMs > 10_000}
        />
        <Count
          label="state"
          value={bytes(pipeline.stateBytes)}
          unit={`${count(pipeline.keys)} keys`}
        />
        <Count label="channels" value={count(pipeline.channels)} />
      </dl>
      <div className="parts">
        <Outputs outputs={pipeline.outputs} />
        <Partitions pipeline={pipeline} />
        <Records title="Newest results" records={newest.results} skipped={pipeline.skipped} />
        <Dead pipeline={pipeline} />
      </div>
    </section>
  );
}

function Count(props: {
  readonly label: string;
  readonly value: string;
  readonly per?: number;
  readonly unit?: string;
  readonly isBad?: boolean;
}) {
  return (
    <div data-bad={props.isBad}>
      <dt>{props.label}</dt>
      <dd data-testid={`count-${props.label}`}>{props.value}</dd>
      <dd className="faint">{props.per === undefined ? props.unit : `${count(props.per)} / s`}</dd>
    </div>
  );
}

const LIGHTS = { closed: "good", probing: "warn", open: "bad" } as const;
const WORDS = { closed: "takes", probing: "is tried", open: "is away" } as const;

function Outputs({ outputs }: { readonly outputs: readonly OutputSight[] }) {
  return (
    <section className="part outputs" aria-label="Outputs">
      <h3>Outputs</h3>
      <div className="wide">
        <table>
          <thead>
            <tr>
              <th scope="col">sink</th>
              <th scope="col">state</th>
              <th scope="col" className="number">
                delivered
              </th>
              <th scope="col" className="number">
                waiting
              </th>
              <th scope="col" className="number">
                failed
              </th>
            </tr>
          </thead>
          <tbody>
            {outputs.map(({ index, of, sink, target, now, deliveredPerSecond }) => (
              <tr key={index} data-testid={`output-${index}`}>
                <td>
                  {of === "results" ? "" : `${of} → `}
                  {sink} <code className="target">{target}</code>
                </td>
                <td>
                  {now === undefined ? (
                    <span className="faint">not open</span>
                  ) : (
                    <span className="light" data-light={LIGHTS[now.breaker]} title={now.lastError}>
                      {now.breaker === "closed" && now.lastError !== undefined
                        ? now.lastError
                        : WORDS[now.breaker]}
                    </span>
                  )}
                </td>
                <td className="number">
                  {count(now?.delivered ?? 0)}
                  <span className="faint"> {count(deliveredPerSecond)}/s</span>
                </td>
                <td className="number">
                  {count(now?.queued ?? 0)}
                  {(now?.oldestMs ?? 0) > 1_000 ? (
                    <span className="faint"> {duration(now?.oldestMs ?? 0)}</span>
                  ) : null}
                </td>
                <td className="number">{count(now?.failures ?? 0)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Partitions({ pipeline }: { readonly pipeline: PipelineSight }) {
  const { owners, heldBack } = pipeline;
  return (
    <section className="part" aria-label="Partitions">
      <h3>
        Partitions <span className="faint">{heldBack > 0 ? `${heldBack} held back` : ""}</span>
      </h3>
      <ol className="owners">
        {owners.map((owner, n) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the number is its name.
          <li key={n} data-free={owner === undefined}>
            <span>{n}</span> <code>{owner ?? "nobody"}</code>
          </li>
        ))}
      </ol>
    </section>
  );
}

function Records(props: {
  readonly title: string;
  readonly records: readonly LiveRecord[];
  readonly skipped: number;
}) {
  const { title, records, skipped } = props;
  return (
    <section className="part records" aria-label={title}>
      <h3>
        {title}{" "}
        <span className="faint">{skipped === 0 ? "" : `${count(skipped)} more not shown`}</span>
      </h3>
      {records.length === 0 ? (
        <p className="faint">None yet.</p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, also by keyboard.
        <ol className="roll" tabIndex={0} aria-label={title}>
          {records.map(({ id, key, timeMs, text }) => (
            <li key={id}>
              <time>{timeOfDay(timeMs)}</time>
              <b>{keyWords(key)}</b>
              <span className="pairs">
                {valueWords(text).map(([name, value]) => (
                  <span key={name}>
                    <span className="faint">{name}</span> {value}
                  </span>
                ))}
              </span>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

function Dead({ pipeline }: { readonly pipeline: PipelineSight }) {
  const { deadBy, newest, outputs } = pipeline;
  const reasons = Object.entries(deadBy).filter(([, dead]) => dead > 0);
  const letters = [...newest.dead, ...newest.late];
  const isKept = outputs.some(({ of }) => of === "dead");
  return (
    <section className="part records" aria-label="Dead and late">
      <h3>
        Dead and late{" "}
        <span className="faint">
          {reasons.map(([reason, dead]) => `${count(dead)} ${reason}`).join(", ")}
        </span>
      </h3>
      {letters.length === 0 ? (
        <p className="faint">
          {reasons.length > 0 && !isKept
            ? 'They go nowhere: declare on("dead", ...).'
            : "None yet."}
        </p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, also by keyboard.
        <ol className="roll" tabIndex={0} aria-label="Dead and late">
          {letters.map(({ id, of, timeMs, reason, text }) => (
            <li key={`${of} ${id}`} data-of={of}>
              <time>{timeOfDay(timeMs)}</time>
              <b>{of === "late" ? "late" : (reason ?? "dead")}</b>
              <code className="raw">{text}</code>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}
