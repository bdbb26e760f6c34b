/** What the benchmarks run on a cluster. */
import type { NewObject } from "@k3ts/client";
import type { Pod } from "@k3ts/model";
import type { TestMachine } from "@k3ts/tests/machine";
import { busyboxImage } from "@k3ts/tools/busybox-image";

export const IMAGE = "busybox:1.37";

/** Puts the image that the pods use on the node, so that no pull is measured. */
export async function provideImage(machine: TestMachine): Promise<void> {
  const path = await Deno.makeTempFile({ prefix: "k3ts-bench-", suffix: ".tar" });
  try {
    await Deno.writeFile(path, await busyboxImage());
    await machine.k3ts("image", "import", path, "--data-dir", machine.dataDir);
  } finally {
    await Deno.remove(path);
  }
}

/** A pod that sleeps, as small as a pod can be: its service account's token is mounted as in any other. */
export function sleeper(name: string, namespace = "default", labels: Record<string, string> = {}): NewObject<Pod> {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, labels },
    spec: {
      terminationGracePeriodSeconds: 0,
      containers: [{
        name: "main",
        image: IMAGE,
        imagePullPolicy: "IfNotPresent",
        command: ["sleep", "100000"],
        resources: { requests: { cpu: "1m", memory: "1Mi" } },
      }],
    },
  };
}

/** Creates pods and waits until they are ready. @returns the uid and the address of each */
export async function runPods(
  machine: TestMachine,
  pods: readonly NewObject<Pod>[],
): Promise<{ uid: string; address: string }[]> {
  await machine.apply(...pods);
  const names = pods.map(({ metadata }) => `pod/${metadata!.name}`);
  await machine.kubectl("wait", "--for=condition=Ready", "--timeout=120s", ...names);
  const fields = "{.metadata.uid} {.status.podIP}";
  return await Promise.all(names.map(async (name) => {
    const [uid, address] = (await machine.kubectl("get", name, "-o", `jsonpath=${fields}`)).split(" ");
    return { uid: uid!, address: address! };
  }));
}

/** Runs a program of `inside/` in the machine's network. @param wrap a command that runs it @returns what it wrote as JSON */
export async function runInside<T>(
  machine: TestMachine,
  program: string,
  input: unknown,
  wrap: string[] = [],
): Promise<T> {
  const path = new URL(`./inside/${program}.ts`, import.meta.url).pathname;
  const words = [...wrap, Deno.execPath(), "run", "--quiet", "-A", path];
  const { code, stdout, stderr } = await machine.run(words, { input: JSON.stringify(input) });
  if (code !== 0) throw new Error(`${program} ended with exit ${code}:\n${stderr}`);
  return JSON.parse(stdout);
}
