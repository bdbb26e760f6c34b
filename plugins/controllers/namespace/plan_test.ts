import { deepEqual } from "node:assert/strict";
import { resources } from "@k3ts/model/objects";
import { aNamespace, aPod } from "@k3ts/model/testing";
import { conditionsOf, contentOf, planNamespace } from "./plan.ts";

const GOING = aNamespace({ name: "a", deleted: "2026-01-01T00:00:00Z" });
const some = (resource: typeof resources.pods | typeof resources.secrets, leaving = false) => ({
  resource,
  count: 2,
  leaving,
  running: resource === resources.pods,
  finalizers: {},
});

Deno.test("a namespace that nobody deletes is left alone", () => {
  deepEqual(planNamespace(aNamespace(), [some(resources.pods)]), { do: "rest" });
});

Deno.test("pods go first, so that they do not lose what they use while they end", () => {
  const contents = [some(resources.secrets), some(resources.pods)];
  deepEqual(planNamespace(GOING, contents), { do: "empty", resources: [resources.pods] });
});

Deno.test("while pods end nothing else is touched", () => {
  deepEqual(planNamespace(GOING, [some(resources.secrets), some(resources.pods, true)]), { do: "wait" });
});

Deno.test("a pod that has ended and that its Job holds does not keep the Job from going", () => {
  const held = aPod({
    phase: "Failed",
    deleted: "2026-01-01T00:00:00Z",
    finalizers: ["batch.kubernetes.io/job-tracking"],
  });
  const pods = contentOf(resources.pods, [held]);
  const jobs = { ...some(resources.pods), resource: resources.jobs, running: false };
  deepEqual(planNamespace(GOING, [pods, jobs]), { do: "empty", resources: [resources.jobs] });
  deepEqual(planNamespace(GOING, [contentOf(resources.pods, [held, aPod({ phase: "Failed" })]), jobs]), {
    do: "empty",
    resources: [resources.pods],
  });
});

Deno.test("what keeps a namespace is told, with the finalizers that hold it and what could not be deleted", () => {
  const held = aPod({ finalizers: ["example.com/backup"] });
  const contents = [contentOf(resources.pods, [held, held]), some(resources.secrets)];
  const told = (...input: Parameters<typeof conditionsOf>) =>
    conditionsOf(...input).map(({ type, status, message }) => `${type}=${status} ${message}`);
  deepEqual(told(contents, ["no"]), [
    "NamespaceDeletionContentFailure=True Failed to delete all resource types, 1 remaining: no",
    "NamespaceContentRemaining=True Some resources are remaining: pods. has 2 resource instances, " +
    "secrets. has 2 resource instances",
    "NamespaceFinalizersRemaining=True Some content in the namespace has finalizers remaining: " +
    "example.com/backup in 2 resource instances",
  ]);
  deepEqual(conditionsOf([], []).map(({ status }) => status), ["False", "False", "False"]);
});

Deno.test("then everything else goes", () => {
  deepEqual(planNamespace(GOING, [some(resources.secrets), { ...some(resources.pods), count: 0 }]), {
    do: "empty",
    resources: [resources.secrets],
  });
});

Deno.test("an empty namespace is let go; finalizers of others stay", () => {
  deepEqual(planNamespace(GOING, []), { do: "finalize", finalizers: [] });
  const held = { ...GOING, spec: { finalizers: ["kubernetes", "example.com/backup"] } };
  deepEqual(planNamespace(held, []), { do: "finalize", finalizers: ["example.com/backup"] });
  deepEqual(planNamespace({ ...held, spec: { finalizers: ["example.com/backup"] } }, []), { do: "rest" });
});
