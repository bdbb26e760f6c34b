import { deepEqual, equal, ok } from "node:assert/strict";
import { FakeClock } from "@k3ts/model/testing";
import { type ConfigMap, type Event, type ResourceRef, resources, type Secret } from "@k3ts/model/objects";
import { runControllers, type TestCluster, testCluster } from "../testing/mod.ts";
import { type Action, controller, create, type Plan } from "./mod.ts";

/** May create and update what these tests need; a right is a right. */
const USER = "system:serviceaccount:kube-system:namespace-and-more";

Deno.test("a plan is not made again before what the last one wrote is seen", async () => {
  await using cluster = await clusterWithRights();
  const seen: number[] = [];
  // Makes one at a time, and would go on making if it did not see what it had made.
  await using _running = await runControllers(cluster, [
    counting(({ data }, made) => {
      seen.push(made.length);
      return made.length < Number(data?.["wanted"]) ? [child(`child-${made.length}`)] : [];
    }),
  ]);
  await makeParent(cluster, { wanted: "5" });
  await cluster.untilAll(resources.secrets, "default", (all) => all.length === 5);
  await cluster.clients.of(resources.configmaps).patch("parent", {
    namespace: "default",
    type: "merge",
    patch: { data: { wanted: "6" } },
  });
  await cluster.untilAll(resources.secrets, "default", (all) => all.length === 6);
  deepEqual([...new Set(seen)], [0, 1, 2, 3, 4, 5, ...seen.includes(6) ? [6] : []]);
});

Deno.test("what the server refuses is told in an event and tried again with care, until it is taken", async () => {
  await using cluster = await testCluster();
  await allow(cluster, "events");
  await using running = await runControllers(cluster, [
    counting((_parent, made) => Array.from({ length: 40 - made.length }, (_, index) => child(`child-${index}`))),
  ]);
  await cluster.clients.of(resources.configmaps).create(parent({}));
  const [event] = await cluster.untilAll<Event>(resources.events, "default", (all) => all.length > 0);
  equal(event!.reason, "FailedCreate");
  equal(event!.involvedObject.name, "parent");
  ok(event!.message!.includes("forbidden"), event!.message);
  ok(running.failures.length > 0);
  await allow(cluster, "secrets");
  await cluster.untilAll(resources.secrets, "default", (all) => all.length === 40);
});

Deno.test("a conflict is tried again at once, and is nobody's business", async () => {
  await using cluster = await clusterWithRights();
  await using running = await runControllers(cluster, [
    counting((parent) => {
      const write = (wanted: string): Action => ({
        do: "update",
        resource: resources.configmaps,
        object: { ...parent, data: { wanted } } as ConfigMap,
      });
      // The second write comes from a state that the first has overtaken.
      if (parent.data?.["wanted"] === "first") return [write("second"), write("third")];
      return parent.data?.["wanted"] === "second" ? [write("third")] : [];
    }),
  ]);
  await makeParent(cluster, { wanted: "first" });
  const target = { namespace: "default", name: "parent" };
  await cluster.until<ConfigMap>(resources.configmaps, target, (object) => object?.data?.["wanted"] === "third");
  deepEqual(running.failures, []);
});

Deno.test("what only time changes is planned again when the time has come", async () => {
  const clock = new FakeClock();
  await using cluster = await testCluster({ clock });
  await allow(cluster, "secrets", "configmaps");
  const at = clock.wall() + 3_600_000;
  const planned = Promise.withResolvers<void>();
  await using _running = await runControllers(cluster, [
    controller<ConfigMap>({
      name: "time",
      user: USER,
      for: resources.configmaps,
      when: ({ metadata }) => metadata.name === "parent",
      plan: ({ now }): Plan => {
        planned.resolve();
        return now < at ? { actions: [], reconsiderAt: at } : { actions: [child("child")] };
      },
    }),
  ]);
  await makeParent(cluster, {});
  await planned.promise;
  clock.advance(3_599_999);
  deepEqual((await cluster.clients.of(resources.secrets).list()).items, []);
  clock.advance(1);
  await cluster.until(resources.secrets, { namespace: "default", name: "child" }, Boolean);
});

/** Plans the ConfigMap `parent` from the Secrets of its namespace. */
function counting(
  actions: (parent: ConfigMap, made: readonly Secret[]) => Action[],
) {
  return controller<ConfigMap, { made: readonly Secret[] }>({
    name: "counting",
    user: USER,
    for: resources.configmaps,
    maps: {
      made: {
        resource: resources.secrets,
        find: (_parent, secrets) => secrets.list("default"),
        wakes: (_secret, parents) => parents.list("default"),
      },
    },
    when: ({ metadata }) => metadata.name === "parent",
    plan: ({ object, made }) => ({ actions: actions(object, made) }),
  });
}

function child(name: string): Action {
  return create(resources.secrets as ResourceRef<Secret>, {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, namespace: "default" },
  });
}

function parent(data: Record<string, string>) {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "parent", namespace: "default" }, data };
}

function makeParent({ clients }: TestCluster, data: Record<string, string>) {
  return clients.of<ConfigMap>(resources.configmaps).create(parent(data));
}

async function clusterWithRights(): Promise<TestCluster> {
  const cluster = await testCluster();
  await allow(cluster, "secrets", "configmaps");
  return cluster;
}

function allow(cluster: TestCluster, ...named: string[]): Promise<void> {
  return cluster.grant(USER, [{ apiGroups: [""], resources: named, verbs: ["*"] }]);
}
