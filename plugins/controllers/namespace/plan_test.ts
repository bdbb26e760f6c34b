import { deepEqual } from "node:assert/strict";
import { resources } from "@k3ts/model/objects";
import { aNamespace } from "@k3ts/model/testing";
import { planNamespace } from "./plan.ts";

const GOING = aNamespace({ name: "a", deleted: "2026-01-01T00:00:00Z" });
const some = (resource: typeof resources.pods | typeof resources.secrets, leaving = false) => ({
  resource,
  count: 2,
  leaving,
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
