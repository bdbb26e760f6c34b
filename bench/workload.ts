/** What the benchmarks run on a cluster. */
import type { NewObject } from "@k3ts/client";
import type { Pod } from "@k3ts/model";
import type { Output, TestCluster } from "@k3ts/tests/cluster";
import { busyboxImage } from "@k3ts/tools/busybox-image";

export const IMAGE = "busybox:1.37";

/** Puts the image that the pods use on the node, so that no pull is measured. */
export async function provideImage(cluster: TestCluster): Promise<void> {
  const path = await Deno.makeTempFile({ prefix: "k3ts-bench-", suffix: ".tar" });
  try {
    await Deno.writeFile(path, await busyboxImage());
    await cluster.k3ts("image", "import", path, "--data-dir", cluster.dataDir);
  } finally {
    await Deno.remove(path);
  }
}

/** A pod that sleeps, as small as a pod can be: its service account's token is mounted as in any other. */
export function sleeper(name: string, namespace = "default"): NewObject<Pod> {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace },
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

/** Runs a program of ours in the cluster's network. @returns what it wrote as JSON */
export async function runInside<T>(
  cluster: TestCluster,
  program: string,
  input: unknown,
  wrap: string[] = [],
): Promise<T> {
  return answer(program, await cluster.run([...wrap, ...wordsOf(program)], { input: JSON.stringify(input) }));
}

/** The same in this process's network. */
export async function runProgram<T>(program: string, input: unknown): Promise<T> {
  const [deno, ...args] = wordsOf(program) as [string, ...string[]];
  const child = new Deno.Command(deno, { args, stdin: "piped", stdout: "piped", stderr: "piped" }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(JSON.stringify(input)));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return answer(program, { code, stdout: text(stdout), stderr: text(stderr) });
}

function wordsOf(program: string): string[] {
  return [Deno.execPath(), "run", "--quiet", "-A", new URL(`./inside/${program}.ts`, import.meta.url).pathname];
}

function answer<T>(program: string, { code, stdout, stderr }: Output): T {
  if (code !== 0) throw new Error(`${program} ended with exit ${code}:\n${stderr}`);
  return JSON.parse(stdout);
}
