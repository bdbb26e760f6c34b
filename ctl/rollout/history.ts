/** The revisions of a workload, from what its controller has kept of them. Pure. */
import {
  controllerOf,
  type ControllerRevision,
  type DaemonSet,
  type Deployment,
  type PodTemplateSpec,
  type ReplicaSet,
  type StatefulSet,
} from "@k3ts/model/objects";
import { Problem } from "../problem.ts";

export interface Revision {
  number: number;
  /** What somebody noted. */
  changeCause: string | undefined;
  template: PodTemplateSpec;
}

const REVISION = "deployment.kubernetes.io/revision";
const CHANGE_CAUSE = "kubernetes.io/change-cause";
const TEMPLATE_HASH = "pod-template-hash";

/** Oldest first. */
export function deploymentRevisions({ metadata }: Deployment, sets: readonly ReplicaSet[]): Revision[] {
  return inOrder(
    sets.filter((set) => controllerOf(set)?.uid === metadata.uid).map((set) => ({
      number: Number(set.metadata.annotations?.[REVISION]),
      changeCause: set.metadata.annotations?.[CHANGE_CAUSE],
      template: withoutHash(set.spec?.template ?? {}),
    })).filter(({ number }) => number > 0),
  );
}

/** Oldest first. */
export function controllerRevisions(
  { metadata }: DaemonSet | StatefulSet,
  revisions: readonly ControllerRevision[],
): Revision[] {
  return inOrder(
    revisions.filter((revision) => controllerOf(revision)?.uid === metadata.uid).map((
      { revision, metadata, data },
    ) => ({
      number: Number(revision),
      changeCause: metadata.annotations?.[CHANGE_CAUSE],
      template: templateOf(data),
    })),
  );
}

/**
 * Where an undo leads.
 * @param to 0: the one before the last
 * @throws {Problem} when there is none
 */
export function revisionToRestore(name: string, revisions: readonly Revision[], to: number): Revision {
  if (revisions.length === 0) throw new Problem(`Cannot undo the rollout of ${name} as it has no history.`);
  const wanted = to === 0 ? revisions.at(-2) : revisions.find(({ number }) => number === to);
  if (wanted !== undefined) return wanted;
  const numbers = revisions.map(({ number }) => number).join(", ");
  throw new Problem(
    to === 0
      ? `Cannot undo the rollout of ${name} as there must be an earlier revision: there is only ${numbers}.`
      : `Cannot undo the rollout of ${name} as revision ${to} is not in its history: there are ${numbers}.`,
  );
}

function inOrder(revisions: Revision[]): Revision[] {
  return revisions.toSorted((a, b) => a.number - b.number);
}

/** The label that tells one ReplicaSet's pods from another's is none of the template's own. */
function withoutHash(template: PodTemplateSpec): PodTemplateSpec {
  const { [TEMPLATE_HASH]: _, ...labels } = template.metadata?.labels ?? {};
  return { ...template, metadata: { ...template.metadata, labels } as PodTemplateSpec["metadata"] };
}

/** Kept as a strategic merge patch that replaces the template as a whole. */
function templateOf(data: unknown): PodTemplateSpec {
  const { spec } = (data ?? {}) as { spec?: { template?: PodTemplateSpec & { $patch?: string } } };
  const { $patch: _, ...template } = spec?.template ?? {};
  return template;
}
