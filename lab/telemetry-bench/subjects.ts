// Owns: the comparisons by name.
import { MQTT } from "./mqtt/subject.ts";
import { PIPELINES } from "./pipelines/subject.ts";
import type { Subject, SubjectName } from "./subject.ts";

export const SUBJECTS: Readonly<Record<SubjectName, Subject>> = {
  mqtt: MQTT as Subject,
  pipelines: PIPELINES as Subject,
};
