// Owns: how descriptions name a place: by pod and namespace, if there are any.

/** Of one node: its pod, or else its address. */
export const AT_NODE = "{{ or $labels.pod $labels.instance }}";

/** Of all nodes of a job. */
export const IN_JOB =
  "{{ if $labels.job }} of {{ with $labels.namespace }}{{ . }}/{{ end }}{{ $labels.job }}{{ end }}";
