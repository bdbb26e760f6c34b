import { deepEqual as assertEquals, equal, throws } from "node:assert/strict";
import type { ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet } from "@k3ts/model/objects";
import { controllerRevisions, deploymentRevisions, revisionToRestore } from "./history.ts";
import { daemonSetProgress, deploymentProgress, statefulSetProgress } from "./status.ts";

const metadata = { name: "web", uid: "u1", generation: 2 };
const deployment = (replicas: number, status: object) =>
  ({ metadata, spec: { replicas }, status: { observedGeneration: 2, ...status } }) as unknown as Deployment;
const daemonSet = (status: object, type = "RollingUpdate") =>
  ({
    metadata,
    spec: { updateStrategy: { type } },
    status: { observedGeneration: 2, ...status },
  }) as unknown as DaemonSet;
const statefulSet = (status: object, partition = 0) =>
  ({
    metadata,
    spec: { replicas: 3, updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition } } },
    status: { observedGeneration: 2, ...status },
  }) as unknown as StatefulSet;

Deno.test("a deployment is rolled out when all replicas are new and available, and none is old", () => {
  const say = (status: object) => deploymentProgress(deployment(3, status));
  equal(say({ observedGeneration: 1 }).message, 'Waiting for deployment "web" spec update to be observed...');
  const updating = say({ replicas: 4, updatedReplicas: 2, availableReplicas: 3 });
  equal(
    updating.message,
    'Waiting for deployment "web" rollout to finish: 2 out of 3 new replicas have been updated...',
  );
  const ending = say({ replicas: 4, updatedReplicas: 3, availableReplicas: 3 });
  equal(ending.message, 'Waiting for deployment "web" rollout to finish: 1 old replicas are pending termination...');
  const starting = say({ replicas: 3, updatedReplicas: 3, availableReplicas: 1 });
  equal(starting.message, 'Waiting for deployment "web" rollout to finish: 1 of 3 updated replicas are available...');
  const done = say({ replicas: 3, updatedReplicas: 3, availableReplicas: 3 });
  assertEquals(done, { message: 'deployment "web" successfully rolled out', isDone: true });
  equal(deploymentProgress(deployment(0, {})).isDone, true);
});

Deno.test("a rollout that its controller has given up is an error, unless there is a newer one", () => {
  const conditions = [{ type: "Progressing", status: "False", reason: "ProgressDeadlineExceeded" }];
  throws(() => deploymentProgress(deployment(3, { conditions })), /"web" exceeded its progress deadline/);
  equal(deploymentProgress(deployment(3, { conditions, observedGeneration: 1 })).isDone, false);
});

Deno.test("a daemon set is rolled out when every node has a new pod that is available", () => {
  const counts = (updated: number, available: number) =>
    daemonSetProgress(
      daemonSet({ desiredNumberScheduled: 2, updatedNumberScheduled: updated, numberAvailable: available }),
    );
  equal(
    counts(1, 2).message,
    'Waiting for daemon set "web" rollout to finish: 1 out of 2 new pods have been updated...',
  );
  equal(counts(2, 1).message, 'Waiting for daemon set "web" rollout to finish: 1 of 2 updated pods are available...');
  equal(counts(2, 2).isDone, true);
  throws(() => daemonSetProgress(daemonSet({}, "OnDelete")), /update strategy is OnDelete/);
});

Deno.test("a stateful set is rolled out when its revisions meet, or its partition is done", () => {
  equal(statefulSetProgress(statefulSet({ readyReplicas: 1 })).message, "Waiting for 2 pods to be ready...");
  equal(
    statefulSetProgress(statefulSet({ readyReplicas: 3, updateRevision: "b", currentRevision: "a" })).isDone,
    false,
  );
  equal(statefulSetProgress(statefulSet({ readyReplicas: 3, updateRevision: "b", currentRevision: "b" })).isDone, true);
  equal(statefulSetProgress(statefulSet({ readyReplicas: 3, updatedReplicas: 0 }, 2)).isDone, false);
  equal(statefulSetProgress(statefulSet({ readyReplicas: 3, updatedReplicas: 1 }, 2)).isDone, true);
});

const owner = (uid: string) => [{ controller: true, uid, kind: "Deployment", name: "web", apiVersion: "apps/v1" }];
const set = (revision: string, image: string, uid = "u1") =>
  ({
    metadata: {
      name: `web-${revision}`,
      ownerReferences: owner(uid),
      annotations: { "deployment.kubernetes.io/revision": revision, "kubernetes.io/change-cause": `to ${image}` },
    },
    spec: {
      template: {
        metadata: { labels: { app: "web", "pod-template-hash": "x" } },
        spec: { containers: [{ name: "c", image }] },
      },
    },
  }) as unknown as ReplicaSet;

Deno.test("the revisions of a deployment are those of its own replica sets, in order, without the hash", () => {
  const revisions = deploymentRevisions(deployment(1, {}), [
    set("10", "b"),
    set("2", "a"),
    set("3", "x", "other"),
    set("", "y"),
  ]);
  assertEquals(revisions.map(({ number, changeCause }) => [number, changeCause]), [[2, "to a"], [10, "to b"]]);
  assertEquals(revisions[0]!.template.metadata?.labels, { app: "web" });
});

Deno.test("the revisions of a daemon set hold its template as a patch", () => {
  const data = { spec: { template: { $patch: "replace", spec: { containers: [] } } } };
  const revision = { metadata: { name: "r", ownerReferences: owner("u1") }, revision: 3, data } as unknown;
  assertEquals(controllerRevisions(daemonSet({}), [revision as ControllerRevision]), [
    { number: 3, changeCause: undefined, template: { spec: { containers: [] } } },
  ]);
});

Deno.test("an undo leads to the revision that was named, or to the last but one", () => {
  const revisions = deploymentRevisions(deployment(1, {}), [set("1", "a"), set("2", "b"), set("5", "c")]);
  equal(revisionToRestore("web", revisions, 0).number, 2);
  equal(revisionToRestore("web", revisions, 1).number, 1);
  throws(() => revisionToRestore("web", revisions, 4), /revision 4 is not in its history: there are 1, 2, 5/);
  throws(() => revisionToRestore("web", revisions.slice(0, 1), 0), /there is only 1/);
  throws(() => revisionToRestore("web", [], 0), /it has no history/);
});
