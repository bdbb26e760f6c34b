/** A cluster of one machine for a test, by `k3ts up`; gone without a trace afterwards. */
import { ensureKubectl } from "@k3ts/tools/kubectl";
import { TestMachine } from "./machine.ts";
import { freshName, sweep, sweepDeadRuns } from "./sweep.ts";

export { eventually, type Output, type ProcessName, ROOT } from "./machine.ts";

export class TestCluster extends TestMachine implements AsyncDisposable {
  /** Started and ready. */
  static async start(...options: string[]): Promise<TestCluster> {
    const cluster = await TestCluster.prepare();
    try {
      await cluster.up(...options);
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** A place for a cluster that has not been started. */
  static async prepare(): Promise<TestCluster> {
    await sweepDeadRuns();
    const cluster = new TestCluster("n1", await freshName(), await ensureKubectl());
    await cluster.prepare();
    return cluster;
  }

  /** `k3ts up`, until it says that it is ready. @throws with all that it said when it does not get there */
  async up(...options: string[]): Promise<void> {
    const own = ["--data-dir", this.dataDir, "--node-name", this.name, "--cgroup-parent", this.cgroup];
    await this.start(["up", ...own, ...options], /^k3ts is ready/);
  }

  /** Stops everything and removes what is left, whatever state the test left it in. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.stop();
    } finally {
      await sweep(this.test);
    }
  }
}
