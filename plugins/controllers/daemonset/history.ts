/** The templates that a DaemonSet has had, for `kubectl rollout` (apps/v1 ControllerRevision). Pure. */
import { canonicalJson, type ControllerRevision, type DaemonSet, type Json, type Pod } from "@k3ts/model/objects";
import { hashedName, templateHash } from "../template_hash.ts";
import { HASH } from "./pods.ts";

export type HistoryAction =
  | { do: "record"; name: string; hash: string; data: Json; revision: number }
  | { do: "renumber"; revision: ControllerRevision; to: number }
  | { do: "relabel"; pod: Pod; hash: string }
  | { do: "forget"; revision: ControllerRevision; because: string };

export interface History {
  /** Of the template as it is; absent until it has been recorded. */
  hash?: string;
  actions: HistoryAction[];
  /** The name of the next revision is another's. */
  collides: boolean;
}

/** A patch that brings the template back: keys in order, so that two can be compared as text, as kubectl does. */
export function recordOf({ spec }: DaemonSet): Json {
  const patch = { spec: { template: { ...spec.template, $patch: "replace" } } };
  return JSON.parse(canonicalJson(JSON.parse(JSON.stringify(patch)) as Json));
}

/** @param isTaken whether a revision of this name exists, whoever it belongs to */
export function planHistory(
  daemonSet: DaemonSet,
  revisions: readonly ControllerRevision[],
  pods: readonly Pod[],
  isTaken: (name: string) => boolean,
): History {
  const data = recordOf(daemonSet);
  const text = canonicalJson(data);
  const isOfNow = (revision: ControllerRevision) => canonicalJson((revision.data ?? null) as Json) === text;
  const now = revisions.filter(isOfNow).sort((a, b) => b.revision - a.revision);
  const old = revisions.filter((revision) => !isOfNow(revision));
  const next = Math.max(0, ...old.map(({ revision }) => revision)) + 1;
  const [current, ...doubles] = now;
  if (current === undefined) {
    const name = hashedName(daemonSet);
    if (isTaken(name)) return { actions: [], collides: true };
    const hash = templateHash(daemonSet);
    return { actions: [{ do: "record", name, hash, data, revision: next }], collides: false };
  }
  const hash = hashOf(current);
  const gone = new Set(doubles.map(hashOf));
  const astray = pods.filter(({ metadata }) => gone.has(metadata.labels?.[HASH] ?? ""));
  return {
    hash,
    collides: false,
    actions: [
      ...astray.map((pod): HistoryAction => ({ do: "relabel", pod, hash })),
      ...doubles.map((revision): HistoryAction => ({ do: "forget", revision, because: "another one says the same" })),
      ...(current.revision < next ? [{ do: "renumber", revision: current, to: next } as const] : []),
      ...(astray.length + doubles.length > 0 ? [] : surplus(daemonSet, old, pods)),
    ],
  };
}

/** A revision that somebody has taken the label off is known by its name. */
function hashOf({ metadata }: ControllerRevision): string {
  return metadata.labels?.[HASH] ?? metadata.name;
}

/** Old revisions of which no pod is left, beyond those that are kept. */
function surplus({ spec }: DaemonSet, old: readonly ControllerRevision[], pods: readonly Pod[]): HistoryAction[] {
  const live = new Set(pods.map(({ metadata }) => metadata.labels?.[HASH]));
  const limit = spec.revisionHistoryLimit ?? 10;
  const unused = old.filter((revision) => !live.has(hashOf(revision))).sort((a, b) => a.revision - b.revision);
  return unused.slice(0, Math.max(0, old.length - limit)).map((revision) => ({
    do: "forget",
    revision,
    because: `it is beyond the ${limit} that are kept`,
  }));
}
