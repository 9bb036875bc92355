// Owns: how a field inside of data is named in an error.

/** The members and places on the way to a field, outermost first. */
export type Trail = readonly (string | number)[];

const LENGTH_MAX = 200;

/** `items[2].name`; members that are no identifiers as `["a b"]`. At most 200 characters. */
export function pathText(trail: Trail): string {
  let text = "";
  for (const step of trail) {
    if (typeof step === "number") text += `[${step}]`;
    else if (/^[A-Za-z_$][\w$]*$/.test(step)) text += text ? `.${step}` : step;
    else text += `[${JSON.stringify(step.slice(0, LENGTH_MAX))}]`;
    if (text.length > LENGTH_MAX) return `${text.slice(0, LENGTH_MAX)}…`;
  }
  return text;
}
