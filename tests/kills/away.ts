/** A node whose server is gone for a while: nothing on it may change, and nothing may when the server is back. */
import { delay } from "@k3ts/client";
import { deepEqual, equal, ok } from "node:assert/strict";
import { TestNodes } from "../e2e/nodes.ts";
import { podsOf, provideImage, service, web } from "../e2e/workloads.ts";
import { Witness } from "./witness.ts";

/** How long the server has to make a mistake when it is back. */
const BACK_MS = 90_000;

/** @throws what has changed @returns how many requests were made meanwhile */
export async function serverAway(minutes: number): Promise<number> {
  await using nodes = await TestNodes.start({ agents: 1 });
  const second = nodes.machine("n2");
  await provideImage([second]);
  await nodes.first.apply(web("web", "n2"), service("web"));
  await nodes.kubectl("wait", "--for=condition=Ready", "pod/web", "--timeout=60s");
  const address = await nodes.kubectl("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}");
  const before = { pods: await podsOf(nodes, "app=web"), containers: await second.containerPids() };
  await using witness = await Witness.of(nodes.first, second, [`http://${address}/`], "web.default.svc.cluster.local");

  await nodes.first.interrupt();
  await delay(minutes * 60_000);
  deepEqual(await second.containerPids(), before.containers, "without a server containers have changed");
  await nodes.startFirst();
  await nodes.areReady();
  await delay(BACK_MS);

  deepEqual(
    { pods: await podsOf(nodes, "app=web"), containers: await second.containerPids() },
    before,
    "the server has changed what was there when it came back",
  );
  const restarts = "jsonpath={.status.containerStatuses[0].restartCount}";
  equal(await nodes.kubectl("get", "pod", "web", "-o", restarts), "0");
  const { seen, failures } = await witness.conclude();
  deepEqual(failures, []);
  const counts = Object.values(seen).map(({ succeeded }) => succeeded);
  ok(counts.every((count) => count > minutes * 300), `only ${counts} requests were made`);
  return counts.reduce((sum, count) => sum + count, 0);
}
