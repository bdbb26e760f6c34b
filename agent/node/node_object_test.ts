import { equal } from "node:assert/strict";
import { memoryOf, prettyNameOf } from "./facts.ts";
import { isNewsworthy, type NodeInput, nodeObject, nodeStatus } from "./node_object.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");

const INPUT: NodeInput = {
  name: "n1",
  facts: {
    cpuCores: 2,
    memoryBytes: 4 * 2 ** 30,
    diskBytes: 2 ** 40,
    address: "192.0.2.2",
    bootId: "b",
    info: {
      machineID: "m",
      systemUUID: "s",
      bootID: "b",
      kernelVersion: "6.1",
      osImage: "Debian",
      operatingSystem: "linux",
      architecture: "amd64",
    },
  },
  runtime: { name: "crun", version: "1.8.1" },
  version: "0.1.0",
  kubernetesVersion: "v1.35.4",
  images: [],
};

Deno.test("a node says what it has and that it is ready", () => {
  const { status, metadata } = nodeObject(INPUT, NOW);
  equal(metadata.labels?.["kubernetes.io/hostname"], "n1");
  equal(status?.capacity?.memory, "4194304Ki");
  equal(status?.allocatable?.memory, "4091904Ki", "what the node keeps for itself is promised to nobody");
  equal(status?.conditions?.find((one) => one.type === "Ready")?.status, "True");
  equal(status?.nodeInfo?.containerRuntimeVersion, "crun://1.8.1");
});

Deno.test("a sign of life is no news, a change is", () => {
  const before = nodeStatus(INPUT, undefined, NOW);
  equal(isNewsworthy(before, nodeStatus(INPUT, before, NOW + 10_000)), false);
  const broken = nodeStatus({ ...INPUT, notReady: "the network is down" }, before, NOW + 10_000);
  equal(isNewsworthy(before, broken), true);
  equal(broken.conditions?.find((one) => one.type === "Ready")?.lastTransitionTime, "2026-01-01T00:00:10Z");
});

Deno.test("what the server has stored of it is no news", () => {
  const said = nodeStatus(INPUT, undefined, NOW);
  // It leaves out what is empty.
  const stored = JSON.parse(
    JSON.stringify(said, (_key, value) => Array.isArray(value) && value.length === 0 ? undefined : value),
  );
  equal(isNewsworthy(stored, nodeStatus(INPUT, stored, NOW + 10_000)), false);
  const image = { id: "i", names: ["a:1"], digests: [], sizeBytes: 1 } as unknown as NodeInput["images"][number];
  const more = nodeStatus({ ...INPUT, images: [image] }, stored, NOW);
  equal(isNewsworthy(stored, more), true);
  equal(isNewsworthy(more, nodeStatus(INPUT, more, NOW)), true);
});

Deno.test("conditions that others write stay", () => {
  const foreign = { type: "NetworkUnavailable", status: "False" as const };
  const status = nodeStatus(INPUT, { conditions: [foreign] }, NOW);
  equal(status.conditions?.[0]?.type, "NetworkUnavailable");
});

Deno.test("the machine is read from the kernel's own files", () => {
  equal(memoryOf("MemTotal:       16384 kB\nMemFree: 1 kB\n"), 16 * 2 ** 20);
  equal(prettyNameOf('NAME="x"\nPRETTY_NAME="Debian 12"\n'), "Debian 12");
});

Deno.test("a node says what it is short of", () => {
  const status = nodeStatus({ ...INPUT, pressures: new Set(["DiskPressure"]) }, undefined, NOW);
  const said = new Map(status.conditions?.map((one) => [one.type, `${one.status} ${one.reason}`]));
  equal(said.get("DiskPressure"), "True KubeletHasDiskPressure");
  equal(said.get("MemoryPressure"), "False KubeletHasSufficientMemory");
});
