import { deepEqual, equal, rejects } from "node:assert/strict";
import { createLog } from "@k3ts/client/telemetry";
import { aPod, FakeClock } from "@k3ts/model/testing";
import type { Files, FileStep } from "../file_steps.ts";
import { exists } from "../files.ts";
import { pathsOf, podPathsOf } from "../paths.ts";
import { inDirectory } from "../testing/in_directory.ts";
import { Volumes } from "../volumes/volumes.ts";
import type { NodeParts } from "./machine_parts.ts";
import type { DesiredPod, PodPlan } from "./plan.ts";
import { PodMachine } from "./pod_machine.ts";
import { createSandbox } from "./sandboxes.ts";

/** Mounts as the kernel would have them, a network that only counts, and nothing else of a node. */
function aNode(dataDir: string, files: Files, mounted: Set<string>, detached: string[] = []): NodeParts {
  const below = (path: string) => [...mounted].filter((one) => one === path || one.startsWith(`${path}/`));
  const mounts = {
    changeFiles: async ({ steps = [] }: { steps?: FileStep[] }) => {
      for (const one of steps) {
        const { step } = one;
        if (step?.case === "mount") mounted.add(step.value.target!);
        else if (step?.case === "unmount") mounted.delete(step.value.target!);
        else if (step?.case === "unmountBelow") {
          for (const target of below(step.value.path!)) mounted.delete(target);
        } else await files.changeFiles({ steps: [one] });
      }
    },
    listMounts: ({ path }: { path: string }) => Promise.resolve({ targets: below(path) }),
  } as unknown as NodeParts["mounts"];
  return {
    paths: pathsOf(dataDir),
    mounts,
    runtime: {
      createSandbox: async ({ directory }: { directory: string }) => {
        await Deno.mkdir(directory, { recursive: true });
        throw new Error("the kernel does not want to");
      },
      removeSandbox: () => Promise.resolve({}),
    } as unknown as NodeParts["runtime"],
    network: {
      facts: { clusterDomain: "cluster.local", dnsAddress: "10.43.0.10" },
      detach: (uid: string) => Promise.resolve(detached.push(uid)),
    } as unknown as NodeParts["network"],
    volumes: new Volumes(mounts, () => Promise.resolve(""), () => undefined),
    table: { refresh: () => Promise.resolve(), of: () => [] } as unknown as NodeParts["table"],
    references: { areKnown: () => true } as unknown as NodeParts["references"],
    images: { index: { list: () => [] }, find: () => undefined } as unknown as NodeParts["images"],
    node: { address: "10.0.0.1", cpuCores: 2, memoryBytes: 2 ** 30, bootId: "b" },
    log: createLog(() => {}, () => 0),
    clock: new FakeClock(),
  } as unknown as NodeParts;
}

Deno.test("volumes that were mounted before another one failed are taken away with their pod", () =>
  inDirectory(async (dataDir, files) => {
    const mounted = new Set<string>();
    const parts = aNode(dataDir, files, mounted);
    const pod = aPod({
      spec: {
        containers: [{ name: "main", image: "demo:1" }],
        volumes: [
          { name: "memory", emptyDir: { medium: "Memory" } },
          { name: "missing", hostPath: { path: `${dataDir}/none`, type: "File" } },
        ],
      },
    });
    const { volumes, directory } = podPathsOf(parts.paths, pod.metadata.uid);
    const desired: DesiredPod = { pod, gone: false, seenAt: 0, hostAddress: "10.0.0.1" };
    const machine = new PodMachine(parts, pod.metadata.uid);
    const nothing = { actions: [], status: {}, notices: [] } as unknown as PodPlan;
    equal((await machine.observe(desired)).volumes, "unmounted");
    await rejects(machine.perform({ do: "mountVolumes" }, desired, nothing), /hostPath type check failed/);
    deepEqual([...mounted], [`${volumes}/memory`]);
    equal((await machine.observe(desired)).volumes, "stale");
    await machine.perform({ do: "unmountVolumes" }, desired, nothing);
    deepEqual([...mounted], []);
    equal((await machine.observe(desired)).volumes, "unmounted");

    mounted.add(`${volumes}/memory`);
    await machine.perform({ do: "removeFiles" }, desired, nothing);
    deepEqual([...mounted], [], "nothing is removed through a mount");
    equal(await exists(directory), false);
  }));

Deno.test("a sandbox that never became whole leaves nothing", () =>
  inDirectory(async (dataDir, files) => {
    const detached: string[] = [];
    const parts = aNode(dataDir, files, new Set(), detached);
    const pod = aPod({ spec: { containers: [{ name: "main", image: "demo:1" }] } });
    const { uid } = pod.metadata;
    const { sandbox, directory } = podPathsOf(parts.paths, uid);
    const desired: DesiredPod = { pod, gone: true, seenAt: 0, hostAddress: "10.0.0.1" };
    const nothing = { actions: [], status: {}, notices: [] } as unknown as PodPlan;
    await rejects(
      new PodMachine(parts, uid).perform({ do: "createSandbox" }, desired, nothing),
      /the kernel does not want to/,
    );
    equal(await exists(sandbox), true);
    await Deno.remove(directory, { recursive: true });
    // By an agent that finds no more than that.
    const machine = new PodMachine(parts, uid);
    equal((await machine.observe(desired)).files, true);
    await machine.perform({ do: "removeFiles" }, desired, nothing);
    equal(await exists(sandbox), false);
    deepEqual(detached, [uid], "its address is free again");
    equal((await machine.observe(desired)).files, false);
  }));

Deno.test("a new sandbox is younger than what is of an earlier one, though the clock was put back since", () =>
  inDirectory(async (dataDir, files) => {
    const node = aNode(dataDir, files, new Set());
    const ahead = node.clock.wall() + 7_200_000;
    const parts = {
      ...node,
      runtime: {
        createSandbox: async ({ directory }: { directory: string }) => {
          await Deno.mkdir(directory, { recursive: true });
          return { networkNamespace: "n", ipcNamespace: "i", utsNamespace: "u", pidNamespace: "" };
        },
      },
      network: { ...node.network, attach: () => Promise.resolve("10.42.0.2") },
      table: { of: () => [{ createdAt: ahead }] },
    } as unknown as NodeParts;
    equal((await createSandbox(parts, aPod({}))).createdAt, ahead + 1);
  }));
