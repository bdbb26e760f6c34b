/** A cluster with an image in it, and pods made in a line: what the tests of pods share. */
import { equal } from "node:assert/strict";
import { busyboxImage } from "@k3ts/tools/busybox-image";
import { eventually, TestCluster } from "./cluster.ts";

export const IMAGE = "busybox:1.37";

type Values = Record<string, unknown>;

export function pod(name: string, spec: Values): Values {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, labels: { app: name } },
    spec: { terminationGracePeriodSeconds: 0, ...spec },
  };
}

/** A container that runs a script. */
export function script(text: string, over: Values = {}): Values {
  return { name: "main", image: IMAGE, command: ["sh", "-c", text], ...over };
}

/** One that ends at once when it is asked to. */
export function sleeper(over: Values = {}): Values {
  return script("trap exit TERM; sleep 3600 & wait", over);
}

export class PodCluster implements AsyncDisposable {
  private constructor(readonly cluster: TestCluster, readonly archive: string) {}

  static async start(...options: string[]): Promise<PodCluster> {
    const cluster = await TestCluster.start(...options);
    const archive = `${cluster.dataDir}/busybox.tar`;
    await Deno.writeFile(archive, await busyboxImage());
    await cluster.k3ts("image", "import", archive, "--data-dir", cluster.dataDir);
    return new PodCluster(cluster, archive);
  }

  async apply(...objects: Values[]): Promise<void> {
    const input = JSON.stringify({ apiVersion: "v1", kind: "List", items: objects });
    const { cluster } = this;
    const { code, stderr } = await cluster.run([cluster.kubectlPath, "apply", "-f", "-"], { input });
    equal(code, 0, stderr);
  }

  /** Such as `.status.phase`. */
  async jsonpath(name: string, path: string): Promise<string> {
    return (await this.cluster.kubectl("get", "pod", name, "-o", `jsonpath={${path}}`)).trim();
  }

  async ready(name: string): Promise<void> {
    await this.cluster.kubectl("wait", "--for=condition=Ready", `pod/${name}`, "--timeout=60s");
  }

  exec(name: string, ...command: string[]): Promise<string> {
    return this.cluster.kubectl("exec", name, "--", ...command);
  }

  logs(name: string, ...options: string[]): Promise<string> {
    return this.cluster.kubectl("logs", name, ...options);
  }

  /** Each as `Type Reason message`, those of containers too. */
  async events(name: string): Promise<string> {
    const path = '{range .items[*]}{.type} {.reason} {.message}{"\\n"}{end}';
    return await this.cluster.kubectl(
      "get",
      "events",
      `--field-selector=involvedObject.name=${name}`,
      "-o",
      `jsonpath=${path}`,
    );
  }

  /** Waits until the path has this value. */
  async becomes(name: string, path: string, value: string, secondsMax = 60): Promise<void> {
    await eventually(async () => equal(await this.jsonpath(name, path), value), secondsMax);
  }

  delete(name: string, ...options: string[]): Promise<string> {
    return this.cluster.kubectl("delete", "pod", name, ...options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.cluster[Symbol.asyncDispose]();
  }
}
