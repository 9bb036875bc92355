// Owns: the factory's floor: a cell for each machine, coloured by its newest mean, framed while it
// has an alarm.
import type { Window } from "./tally.ts";

const LINES = ["north", "south"];
/** Colours from the coolest to the hottest; the last one begins at 90 °C. */
const STEPS = 8;
const COOLEST = 55;
const STEP_CELSIUS = 5;
const MACHINES_MAX = 2_000;

const heatOf = (celsius: number): number =>
  Math.min(STEPS - 1, Math.max(0, Math.floor((celsius - COOLEST) / STEP_CELSIUS)));
const numberOf = (machine: string): number => Number(machine.replace(/^\D+/, ""));

export class Floor {
  readonly #floor: HTMLElement;
  readonly #halls = new Map<string, HTMLElement>();
  readonly #cells = new Map<string, HTMLElement>();
  readonly #raised = new Set<string>();
  #fromMs = 0;

  constructor(floor: HTMLElement, scale: HTMLElement) {
    this.#floor = floor;
    for (const line of LINES) {
      const label = document.createElement("span");
      label.textContent = line;
      const hall = document.createElement("div");
      this.#halls.set(line, hall);
      floor.append(label, hall);
    }
    for (let step = 0; step < STEPS; step++) scale.append(cellOf(step));
    scale.prepend(`${COOLEST} `);
    scale.append(` ${COOLEST + (STEPS - 1) * STEP_CELSIUS} °C`);
  }

  get raised(): readonly string[] {
    return [...this.#raised].toSorted((a, b) => a.localeCompare(b, "en", { numeric: true }));
  }

  saw({ line, machine, mean, fromMs }: Window): void {
    this.#fromMs = Math.max(this.#fromMs, fromMs);
    const cell = this.#cell(line, machine);
    if (cell === undefined) return;
    cell.dataset.heat = String(heatOf(mean));
    cell.title = `${line} ${machine}: ${mean.toFixed(1)} °C`;
  }

  alarm({ line, machine }: { readonly line: string; readonly machine: string }, on: boolean): void {
    const name = `${line} ${machine}`;
    if (on && this.#raised.size < MACHINES_MAX) this.#raised.add(name);
    if (!on) this.#raised.delete(name);
    const cell = this.#cell(line, machine);
    if (cell !== undefined) cell.dataset.alarm = String(on);
  }

  /** What the picture shows, in words. */
  describe(): void {
    const hot = [...this.#cells.values()].filter(({ dataset }) => dataset.heat === `${STEPS - 1}`);
    this.#floor.setAttribute(
      "aria-label",
      `${this.#cells.size} machines; ${hot.length} with a mean of 90 °C or more; ${this.#raised.size} with an alarm`,
    );
  }

  /** In the order of machines' numbers. */
  #cell(line: string, machine: string): HTMLElement | undefined {
    const hall = this.#halls.get(line);
    const name = `${line} ${machine}`;
    const known = this.#cells.get(name);
    if (known !== undefined || hall === undefined || this.#cells.size >= MACHINES_MAX) return known;
    const cell = cellOf(0);
    cell.dataset.machine = machine;
    this.#cells.set(name, cell);
    const others = [...hall.children] as HTMLElement[];
    const next = others.find(({ dataset }) => numberOf(dataset.machine ?? "") > numberOf(machine));
    hall.insertBefore(cell, next ?? null);
    return cell;
  }
}

function cellOf(heat: number): HTMLElement {
  const cell = document.createElement("i");
  cell.className = "cell";
  cell.dataset.heat = String(heat);
  return cell;
}
