/** The cluster that the suite runs against: machines of their own, all images of the suite on each. */
import { importImages } from "@k3ts/tools/images";
import { eventually } from "../e2e/machine.ts";
import { TestNodes } from "../e2e/nodes.ts";
import type { Place } from "./suite.ts";

/** After a test that failed, what it has upset must be well again by then. */
const WELL_SECONDS_MAX = 90;

interface ResourceList {
  resources: { name: string }[];
}

interface GroupList {
  groups: { name: string; preferredVersion: { groupVersion: string } }[];
}

interface NodeList {
  items: {
    metadata: { name: string };
    spec: { unschedulable?: boolean; taints?: { key: string; effect: string }[] };
    status: { conditions: { type: string; status: string }[] };
  }[];
}

export class Cluster implements AsyncDisposable {
  private constructor(readonly nodes: TestNodes) {}

  /** @param count of its nodes, the one with the control plane included; pods run on all */
  static async start(count: number): Promise<Cluster> {
    const nodes = await TestNodes.start({ agents: count - 1 });
    try {
      await importImages([nodes.first, ...nodes.agents]);
      return new Cluster(nodes);
    } catch (error) {
      await nodes[Symbol.asyncDispose]();
      throw error;
    }
  }

  get place(): Place {
    return { namespace: this.nodes.first.namespace, kubeconfig: this.nodes.first.kubeconfig };
  }

  get kubectl(): string {
    return this.nodes.first.kubectlPath;
  }

  /** `group/resource` of all that it serves, `core/pods/eviction` for a subresource of no group. */
  async served(): Promise<string[]> {
    const { groups } = await this.#get<GroupList>("/apis");
    const paths = groups.map(({ name, preferredVersion }) => [name, `/apis/${preferredVersion.groupVersion}`] as const);
    const lists = await Promise.all([["core", "/api/v1"] as const, ...paths].map(async ([group, path]) => {
      const { resources } = await this.#get<ResourceList>(path);
      return resources.map(({ name }) => `${group}/${name}`);
    }));
    return lists.flat().sort();
  }

  /** Waits until the API is well and every node takes pods. @throws what is not */
  async isWell(): Promise<void> {
    await eventually(async () => {
      await this.nodes.kubectl("get", "--raw", "/readyz", "--request-timeout=10s");
      const { items } = await this.#get<NodeList>("/api/v1/nodes");
      const unfit = items.filter(({ spec, status }) =>
        spec.unschedulable === true || (spec.taints ?? []).some(({ effect }) => effect !== "PreferNoSchedule") ||
        !status.conditions.some(({ type, status }) => type === "Ready" && status === "True")
      );
      if (unfit.length > 0) {
        throw new Error(`Nodes take no pods: ${unfit.map(({ metadata }) => metadata.name).join(", ")}`);
      }
    }, WELL_SECONDS_MAX);
  }

  /** What a test has made that could not clean up by itself. */
  async remove(runId: string): Promise<void> {
    await this.nodes.kubectl("delete", "namespaces", "--selector", `e2e-run=${runId}`, "--wait=false");
  }

  async #get<T>(path: string): Promise<T> {
    return JSON.parse(await this.nodes.kubectl("get", "--raw", path)) as T;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.nodes[Symbol.asyncDispose]();
  }
}
