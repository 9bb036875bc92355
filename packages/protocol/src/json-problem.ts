// Owns: the rules of application data for JSON text that is no frame, such as an HTTP body.
import { pathText } from "./data-path.ts";
import { JsonWalk } from "./json-walk.ts";

/** Why text is refused. `isJson` false: it is not JSON; otherwise `path` names the member. */
export interface JsonProblem {
  readonly isJson: boolean;
  readonly found: string;
  readonly path: string;
}

/**
 * Why JSON text holds what application data may not hold, wherever it stands; undefined if it does
 * not. Data may have `levelsAround` lists and maps around it. Builds nothing; takes time in
 * proportion to the text, whatever is in it.
 */
export function jsonProblem(text: string, levelsAround: number): JsonProblem | undefined {
  const walk = new JsonWalk(text);
  const isData = walk.data(-levelsAround);
  if (isData && walk.space() < 0) return undefined;
  if (isData) return { isJson: false, found: "text behind the value", path: "" };
  return { isJson: !walk.isBroken, found: walk.found, path: pathText(walk.trail) };
}
