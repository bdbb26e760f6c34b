/** What runs on the cluster while things fail: pages that stay, pods that come and go, a log and a terminal. */
import type { TestNodes } from "../e2e/nodes.ts";
import { service, web } from "../e2e/workloads.ts";

/** How many pods come and go when nothing fails. */
export const REPLICAS = 4;
/** Of a node whose disk was full: it takes no new pods for minutes, but for those that bear it. */
export const DISK_PRESSURE = "node.kubernetes.io/disk-pressure";
const EVERYWHERE = [{ operator: "Exists" }];

/** A pod of one node that answers whatever happens, and a Service for it alone. */
function page(node: string): object[] {
  const { metadata, spec, ...pod } = web(pageOf(node), node);
  const probe = { httpGet: { port: 8080, path: "/" }, periodSeconds: 1, timeoutSeconds: 5, failureThreshold: 3 };
  const containers = spec.containers.map((container) => ({ ...container, livenessProbe: probe }));
  const labels = { app: pageOf(node), stays: "yes" };
  return [
    { ...pod, metadata: { ...metadata, labels }, spec: { ...spec, containers, tolerations: EVERYWHERE } },
    service(pageOf(node), { selector: { app: pageOf(node) } }),
  ];
}

export function pageOf(node: string): string {
  return `page-${node}`;
}

/** A pod of one node that stays. */
function steady(name: string, node: string, script: string): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, labels: { stays: "yes" } },
    spec: {
      nodeName: node,
      terminationGracePeriodSeconds: 0,
      tolerations: EVERYWHERE,
      containers: [{ name: "c", image: "busybox:1.37", command: ["sh", "-c", script] }],
    },
  };
}

/** Rolled and scaled all the time, as carefully as users are told to: ready before the next goes, and a while to leave. */
function movingDeployment(): object {
  const { containers } = web("moving", "").spec;
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "moving" },
    spec: {
      replicas: REPLICAS,
      selector: { matchLabels: { app: "moving" } },
      strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 2 } },
      template: {
        metadata: { labels: { app: "moving" } },
        spec: {
          terminationGracePeriodSeconds: 10,
          tolerations: [{ key: DISK_PRESSURE, operator: "Exists" }],
          containers: containers.map((container) => ({
            ...container,
            lifecycle: { preStop: { sleep: { seconds: 4 } } },
          })),
          topologySpreadConstraints: [{
            maxSkew: 1,
            topologyKey: "kubernetes.io/hostname",
            whenUnsatisfiable: "ScheduleAnyway",
            labelSelector: { matchLabels: { app: "moving" } },
          }],
        },
      },
    },
  };
}

const COUNT = "i=0; while true; do echo line $i; i=$((i+1)); sleep 0.2; done";

/** Applies all, and waits until all of it is ready. */
export async function deploy(nodes: TestNodes, names: readonly string[]): Promise<void> {
  const last = names.at(-1)!;
  await nodes.first.apply(
    ...names.flatMap(page),
    movingDeployment(),
    service("moving", { selector: { app: "moving" }, type: "NodePort" }),
    steady("counter", last, COUNT),
    steady("held", last, "sleep 1000000"),
  );
  await nodes.kubectl("rollout", "status", "deployment/moving", "--timeout=120s");
  await nodes.kubectl("wait", "--for=condition=Ready", "pod", "-l", "stays=yes", "--timeout=120s");
}

/** How many pods there are when nothing changes. */
export function podsOn(names: readonly string[]): number {
  return names.length + REPLICAS + 2;
}

/** A pod that shows that a node takes new ones. */
export function probe(name: string, node: string): object {
  return steady(name, node, "sleep 1000000");
}
