/**
 * A program that makes one pod from a layer, by the native services of its own process, and then waits to be killed;
 * or, started again with `resume`, finds that pod, looks into it and ends it; or takes everything away with `clean`.
 * It prints one line of JSON. Run in a network namespace of its own.
 */
import { openImages, openNative, openNetwork, openRuntime } from "@k3ts/ffi";
import { ContainerStatus } from "@k3ts/proto";
import { talk } from "./attach_socket.ts";

const [phase, folder, diffId] = Deno.args as ["begin" | "resume" | "clean", string, string];
const id = `${folder.split("/").at(-1)}-web`;
const directory = `${folder}/c`;
const root = `${directory}/root`;
const SIGTERM = 15;
const CAPABILITIES = ["CAP_NET_RAW", "CAP_KILL"];
const USER = {
  user: { uid: 0, gid: 0 },
  env: ["PATH=/bin"],
  capabilities: { bounding: CAPABILITIES, effective: CAPABILITIES, permitted: CAPABILITIES },
};

const native = await openNative();
const runtime = await openRuntime(native, { stateDirectory: `${folder}/state` });
const images = openImages(native);
const network = openNetwork(native);

switch (phase) {
  case "begin":
    await begin();
    // Nothing ends this but a signal.
    setInterval(() => {}, 60_000);
    break;
  case "resume":
    console.log(JSON.stringify(await resume()));
    await native.close();
    break;
  case "clean":
    console.log(JSON.stringify(await clean()));
    await native.close();
}

async function begin(): Promise<void> {
  const layer = `${folder}/layer`;
  const unpacked = await images.unpackLayer({ blob: `${folder}/layer.tar.gz`, diffId, target: layer });
  await Deno.mkdir(`${directory}/upper`, { recursive: true });
  await Deno.mkdir(`${directory}/work`);
  await images.mount({
    type: "overlay",
    source: "overlay",
    target: root,
    options: [`lowerdir=${layer}`, `upperdir=${directory}/upper`, `workdir=${directory}/work`],
  });
  const sandbox = await runtime.createSandbox({ directory: `${folder}/sandbox`, hostname: "web-0" });
  await network.ensureBridge({ name: "k3ts0", addresses: ["10.42.0.1/24"] });
  const { macAddress } = await network.attach({
    networkNamespace: sandbox.networkNamespace,
    bridge: "k3ts0",
    hostInterface: "k3web",
    podInterface: "eth0",
    address: "10.42.0.7/24",
    gateway: "10.42.0.1",
  });
  await network.applyRules({ script: "add table inet k3ts\nadd chain inet k3ts nothing\n" });
  await Deno.writeTextFile(`${directory}/config.json`, JSON.stringify(specification(sandbox)));
  const container = { id, bundle: directory, directory, logPath: `${folder}/log/0.log` };
  const { pid } = await runtime.createContainer(container);
  await runtime.startContainer({ id });
  const { links } = await network.listLinks({ prefix: "k3" });
  console.log(
    JSON.stringify({ pid, macAddress, entries: Number(unpacked.entries), links: links.map((one) => one.name) }),
  );
}

async function resume(): Promise<unknown> {
  const changes = runtime.watchContainers({})[Symbol.asyncIterator]();
  await changes.next();
  const before = await find();
  const process = { args: ["sh", "-c", "hostname; cat; ping -c 1 -W 5 10.42.0.1 >&2; exit 5"], cwd: "/", ...USER };
  const { attachSocket } = await runtime.exec({
    id,
    directory: `${folder}/x`,
    process: new TextEncoder().encode(JSON.stringify(process)),
    stdin: true,
  });
  const exec = await talk(attachSocket, "typed\n");
  await runtime.signalContainer({ id, signal: SIGTERM });
  let after = await find();
  while (after?.status !== ContainerStatus.EXITED) {
    await changes.next();
    after = await find();
  }
  await changes.return?.();
  const log = await Deno.readTextFile(`${folder}/log/0.log`);
  return {
    pid: before?.pid,
    exec,
    exitCode: after.exitCode,
    log: log.split("\n").map((line) => line.split(" ").slice(1).join(" ")),
  };
}

/** Takes away what is there, however far the others came. */
async function clean(): Promise<unknown> {
  await runtime.deleteContainer({ id });
  await runtime.removeSandbox({ directory: `${folder}/sandbox` });
  const { targets } = await images.listMounts({ path: folder });
  for (const target of targets) await images.unmount({ target });
  const left = await images.listMounts({ path: folder });
  return { unmounted: targets, containers: (await runtime.listContainers({})).containers.length, left: left.targets };
}

async function find() {
  const { containers } = await runtime.listContainers({});
  return containers.find((container) => container.id === id);
}

function specification(sandbox: { networkNamespace: string; ipcNamespace: string; utsNamespace: string }) {
  const script = "echo ready; trap 'echo over; exit 4' TERM; while true; do sleep 0.05; done";
  return {
    ociVersion: "1.0.0",
    process: { args: ["sh", "-c", script], cwd: "/", ...USER },
    root: { path: root },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755"] },
    ],
    linux: {
      cgroupsPath: `/k3ts-test/${id}/web`,
      namespaces: [
        { type: "pid" },
        { type: "mount" },
        { type: "network", path: sandbox.networkNamespace },
        { type: "ipc", path: sandbox.ipcNamespace },
        { type: "uts", path: sandbox.utsNamespace },
      ],
    },
  };
}
