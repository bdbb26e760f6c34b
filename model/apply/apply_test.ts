import { deepEqual as assertEquals, ok as assert, throws as assertThrows } from "node:assert/strict";
import fc from "fast-check";
import { typeFacts } from "../facts/mod.ts";
import { equalJson, type Json, type JsonObject } from "../json.ts";
import { ApplyConflict, applyPatch, ApplyRefused, recordManager } from "./mod.ts";
import recorded from "./testdata/kubernetes_1_35_4.json" with { type: "json" };

const type = typeFacts("apps", "v1", "Deployment")!;
const NOW = Date.parse("2026-01-01T00:00:00Z");
const LATER = NOW + 60_000;

const deployment = (spec: JsonObject, metadata: JsonObject = {}): JsonObject => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "d", namespace: "default", ...metadata },
  spec,
});
const apply = (
  live: JsonObject | undefined,
  applied: JsonObject,
  manager: string,
  options: { force?: boolean; now?: number } = {},
) => applyPatch({ live, applied, type, manager, now: NOW, ...options });
const update = (live: JsonObject | undefined, next: JsonObject, manager: string, now = NOW): JsonObject => {
  const entries = recordManager({ live, next, type, manager, now });
  const { managedFields: _, ...metadata } = next["metadata"] as JsonObject;
  return {
    ...next,
    metadata: { ...metadata, ...(live === undefined ? { uid: "u" } : {}), ...(entries && { managedFields: entries }) },
  };
};
const specOf = (object: JsonObject) => object["spec"] as JsonObject;
const entriesOf = (object: JsonObject) => ((object["metadata"] as JsonObject)["managedFields"] ?? []) as JsonObject[];
const entryOf = (object: JsonObject, manager: string) =>
  entriesOf(object).find((entry) => entry["manager"] === manager);

Deno.test("what is created is its creator's", () => {
  const created = update(undefined, deployment({ replicas: 1 }), "kubectl-create");
  assertEquals(entriesOf(created), [{
    manager: "kubectl-create",
    operation: "Update",
    apiVersion: "apps/v1",
    time: "2026-01-01T00:00:00Z",
    fieldsType: "FieldsV1",
    fieldsV1: { "f:spec": { "f:replicas": {} } },
  }]);
});

Deno.test("who changes a field takes it from whoever had it", () => {
  const created = update(undefined, deployment({ replicas: 1, paused: true }), "a");
  const changed = update(created, deployment({ replicas: 2, paused: true }, { uid: "u" }), "b", LATER);
  assertEquals(entryOf(changed, "a")?.["fieldsV1"], { "f:spec": { "f:paused": {} } });
  assertEquals(entryOf(changed, "b")?.["fieldsV1"], { "f:spec": { "f:replicas": {} } });
  assertEquals(entryOf(changed, "a")?.["time"], "2026-01-01T00:00:00Z");
});

Deno.test("a write that changes nothing leaves the entries as they are, times included", () => {
  const created = update(undefined, deployment({ replicas: 1 }), "a");
  const same = update(created, deployment({ replicas: 1 }, { uid: "u" }), "b", LATER);
  assertEquals(entriesOf(same), entriesOf(created));
});

Deno.test("a status is its writer's under the subresource's name", () => {
  const created = update(undefined, deployment({ replicas: 1 }), "a");
  const next = { ...created, status: { replicas: 1 } };
  const entries = recordManager({ live: created, next, type, manager: "c", subresource: "status", now: NOW })!;
  assertEquals(entries.find(({ manager }) => manager === "c")?.["subresource"], "status");
});

Deno.test("fields that a write resets are nobody's", () => {
  const next = { ...deployment({ replicas: 1 }), status: { replicas: 1 } };
  const entries = recordManager({
    live: undefined,
    next,
    type,
    manager: "a",
    now: NOW,
    resetFields: { "f:status": {} },
  })!;
  assertEquals(entries[0]?.["fieldsV1"], { "f:spec": { "f:replicas": {} } });
});

Deno.test("an empty list of entries resets them, and the object stays without", () => {
  const created = update(undefined, deployment({ replicas: 1 }), "a");
  const reset = update(created, deployment({ replicas: 1 }, { uid: "u", managedFields: [{}] }), "a");
  assertEquals(entriesOf(reset), []);
  assertEquals(entriesOf(update(reset, deployment({ replicas: 2 }, { uid: "u" }), "b")), []);
});

Deno.test("of many updaters the oldest are merged", () => {
  let object = update(undefined, deployment({}, { labels: { l0: "x" } }), "m0");
  for (let i = 1; i <= 14; i++) {
    const labels = Object.fromEntries(Array.from({ length: i + 1 }, (_, index) => [`l${index}`, "x"]));
    object = update(object, deployment({}, { uid: "u", labels }), `m${i}`, NOW + i * 1000);
  }
  assertEquals(entriesOf(object).length, 10);
  assert(entryOf(object, "ancient-changes") !== undefined);
});

Deno.test("an applier's field that another would change is a conflict, told by manager and field", () => {
  const live = apply(undefined, deployment({ replicas: 1, paused: true }), "a");
  const wanted = deployment({ replicas: 2, paused: false });
  assertThrows(() => apply(live, wanted, "b"), (error) => {
    assert(error instanceof ApplyConflict);
    assertEquals(error.message, 'Apply failed with 2 conflicts: conflicts with "a":\n- .spec.paused\n- .spec.replicas');
    assertEquals(error.causes()[0], {
      reason: "FieldManagerConflict",
      message: 'conflict with "a"',
      field: ".spec.paused",
    });
    return true;
  });
  assertThrows(() => apply(live, deployment({ replicas: 2 }), "b"), {
    message: 'Apply failed with 1 conflict: conflict with "a": .spec.replicas',
  });
});

Deno.test("an updater in conflict is told with its version", () => {
  const live = update(undefined, deployment({ replicas: 1 }), "kubectl-create");
  assertThrows(() => apply(live, deployment({ replicas: 2 }), "b"), {
    message: 'Apply failed with 1 conflict: conflict with "kubectl-create" using apps/v1: .spec.replicas',
  });
});

Deno.test("force takes the field over", () => {
  const live = apply(undefined, deployment({ replicas: 1 }), "a");
  const forced = apply(live, deployment({ replicas: 2 }), "b", { force: true });
  assertEquals(specOf(forced)["replicas"], 2);
  assertEquals(entryOf(forced, "a"), undefined);
});

Deno.test("a field that its only applier no longer applies goes; one that another holds stays", () => {
  const first = apply(undefined, deployment({ replicas: 1, minReadySeconds: 5 }), "a");
  const shared = apply(first, deployment({ minReadySeconds: 5 }), "b");
  const left = apply(shared, deployment({ paused: true }), "a");
  assertEquals(specOf(left)["replicas"], undefined);
  assertEquals(specOf(left)["minReadySeconds"], 5);
  assertEquals(specOf(left)["paused"], true);
});

Deno.test("items of lists are merged by key, and each applier's own go with it", () => {
  const template = (...names: string[]) =>
    deployment({ template: { spec: { containers: names.map((name) => ({ name })) } } });
  const names = (object: JsonObject) =>
    (((specOf(object)["template"] as JsonObject)["spec"] as JsonObject)["containers"] as JsonObject[]).map(({ name }) =>
      name
    );
  const both = apply(apply(undefined, template("a", "b"), "x"), template("c"), "y");
  assertEquals(names(both), ["a", "b", "c"]);
  assertEquals(names(apply(both, template("b"), "x")), ["b", "c"]);
});

Deno.test("an object from before any apply belongs to who was before it", () => {
  const live = deployment({ replicas: 1, paused: true }, { uid: "u" });
  const applied = apply(live, deployment({ replicas: 1 }), "a");
  assertEquals(entryOf(applied, "before-first-apply")?.["fieldsV1"], {
    "f:spec": { "f:paused": {}, "f:replicas": {} },
  });
  assertThrows(() => apply(live, deployment({ replicas: 2 }), "a"), ApplyConflict);
});

Deno.test("kubectl takes over without conflict what client-side apply wrote", () => {
  const last = deployment({ replicas: 1 });
  const annotations = { "kubectl.kubernetes.io/last-applied-configuration": JSON.stringify(last) };
  const live = update(undefined, deployment({ replicas: 1 }, { annotations }), "kubectl-client-side-apply");
  const applied = apply(live, deployment({ replicas: 3 }), "kubectl");
  assertEquals(specOf(applied)["replicas"], 3);
  const text = ((applied["metadata"] as JsonObject)["annotations"] as Record<string, string>)[
    "kubectl.kubernetes.io/last-applied-configuration"
  ]!;
  assertEquals((JSON.parse(text) as { spec: unknown }).spec, { replicas: 3 });
  assertThrows(() => apply(live, deployment({ replicas: 3 }), "somebody-else"), ApplyConflict);
});

Deno.test("what another changed since the client-side apply is a conflict for kubectl too", () => {
  const last = deployment({ replicas: 1 });
  const annotations = { "kubectl.kubernetes.io/last-applied-configuration": JSON.stringify(last) };
  const live = update(undefined, deployment({ replicas: 1 }, { annotations }), "kubectl-client-side-apply");
  const scaled = update(live, deployment({ replicas: 9 }, { uid: "u", annotations }), "autoscaler", LATER);
  assertThrows(() => apply(scaled, deployment({ replicas: 3 }), "kubectl"), ApplyConflict);
});

Deno.test("a configuration that is not valid for apply is refused", () => {
  const refused = [
    deployment({ bogus: 1 }),
    deployment({}, { managedFields: [] }),
    deployment({ template: { spec: { containers: [{ name: "a" }, { name: "a" }] } } }),
    deployment({ template: { spec: { containers: [{ image: "x" }] } } }),
    deployment({ replicas: { a: 1 } }),
  ];
  for (const applied of refused) {
    assertThrows(() => apply(undefined, applied, "a"), ApplyRefused, JSON.stringify(applied));
  }
  assertThrows(() => apply(deployment({}), { ...deployment({}), apiVersion: "apps/v2" }, "a"), ApplyRefused);
});

const spec = fc.record({
  replicas: fc.nat(3),
  paused: fc.constant(true),
  template: fc.record({
    metadata: fc.record({ labels: fc.dictionary(fc.constantFrom("x", "y", "z"), fc.constantFrom("1", "2")) }, {
      requiredKeys: [],
    }),
    spec: fc.record({
      containers: fc.uniqueArray(
        fc.record({ name: fc.constantFrom("a", "b", "c"), image: fc.constantFrom("1", "2") }, {
          requiredKeys: ["name"],
        }),
        { selector: ({ name }) => name },
      ),
    }, { requiredKeys: [] }),
  }, { requiredKeys: [] }),
}, { requiredKeys: [] }).map((value) => value as unknown as JsonObject);

Deno.test("whatever is applied, applying it again changes nothing", () => {
  fc.assert(fc.property(spec, spec, (a, b) => {
    const once = apply(apply(undefined, deployment(a), "x"), deployment(b), "y", { force: true });
    assertEquals(apply(once, deployment(b), "y", { force: true, now: LATER }), once);
  }));
});

Deno.test("whatever is applied is there, and a forced applier never meets a conflict", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom("x", "y", "z"), spec), { minLength: 1, maxLength: 6 }), (steps) => {
      let live: JsonObject | undefined;
      for (const [manager, wanted] of steps) {
        live = apply(live, deployment(wanted), manager, { force: true });
        assertContains(live["spec"]!, wanted);
      }
    }),
  );
});

const containersOf = (object: JsonObject) =>
  ((specOf(object)["template"] as JsonObject)["spec"] as JsonObject)["containers"];

/** Answers of Kubernetes 1.35.4. */
Deno.test("an empty list goes with its applier, if anything else made that one be remembered", () => {
  const { spec: _, ...nothing } = deployment({});
  const after = (spec: JsonObject) => containersOf(apply(apply(undefined, deployment(spec), "x"), nothing, "x"));
  assertEquals(after({ template: { spec: { containers: [] } } }), []);
  assertEquals(after({ template: { metadata: {}, spec: { containers: [] } } }), undefined);
  assertEquals(after({ replicas: 1, template: { spec: { containers: [] } } }), undefined);
});

Deno.test("whoever applies nothing more leaves nothing behind that only it applied", () => {
  fc.assert(fc.property(spec, (wanted) => {
    const applied = apply(undefined, deployment(wanted), "x");
    const { spec: _, ...nothing } = deployment({});
    const gone = apply(applied, nothing, "x");
    assertEquals(entryOf(gone, "x"), undefined);
    assertEquals(specOf(gone)["replicas"], undefined);
    // Who applied nothing that can be owned is not remembered, so that its empty list stays. Kubernetes does the same.
    const wasRemembered = entryOf(applied, "x") !== undefined;
    assertEquals(containersOf(gone), wasRemembered ? undefined : containersOf(applied));
  }));
});

interface Recorded {
  verb: "apply" | "update";
  manager: string;
  force?: boolean;
  live?: JsonObject;
  object: JsonObject;
  error?: string;
  result?: JsonObject;
}

Deno.test("applies and updates leave the entries that Kubernetes 1.35.4 left", () => {
  for (const step of recorded as unknown as Recorded[]) {
    const { live, object, manager, force } = step;
    const run = () =>
      step.verb === "apply" ? apply(live, object, manager, { ...(force && { force }) }) : update(live, object, manager);
    if (step.error !== undefined) {
      assertThrows(run, (error) => linesOf((error as Error).message) === linesOf(step.error!), JSON.stringify(step));
      continue;
    }
    const entries = (from: JsonObject) => entriesOf(from).map(({ time: _, ...entry }) => entry);
    const byName = (list: JsonObject[]) => list.sort((a, b) => JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
    assertEquals(byName(entries(run())), byName(entries(step.result!)), JSON.stringify(step));
  }
});

/** Managers of a conflict come in any order. */
function linesOf(message: string): string {
  return message.replace("conflicts: ", "conflicts:\n").split("\n").sort().join("\n");
}

function assertContains(whole: Json, part: Json): void {
  if (Array.isArray(part)) {
    for (const item of part as JsonObject[]) {
      assertContains((whole as JsonObject[]).find(({ name }) => name === item["name"])!, item);
    }
  } else if (typeof part === "object" && part !== null) {
    for (const [name, value] of Object.entries(part)) {
      const isVoid = typeof value === "object" && value !== null && Object.keys(value).length === 0;
      if (!isVoid) assertContains((whole as JsonObject)[name] ?? null, value);
    }
  } else assert(equalJson(whole, part));
}
