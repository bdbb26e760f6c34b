/** The node's native services as the agent uses them: in a Deno process that may be killed at any time. Needs root. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const PROGRAM = fileURLToPath(new URL("pod.ts", import.meta.url));
const APPLETS = ["sh", "cat", "sleep", "hostname", "ping"];

Deno.test("a pod outlives the process that made it, and the next one finds it and takes it away", async () => {
  const folder = await Deno.makeTempDir({ dir: "/tmp", prefix: "k3pod-" });
  try {
    const diffId = await makeLayer(folder);
    const begin = start("begin", folder, diffId);
    const begun = JSON.parse(await firstLine(begin.stdout));
    begin.kill("SIGKILL");
    await begin.status;
    equal(begun.macAddress, "0a:58:0a:2a:00:07");
    deepEqual(begun.links, ["k3ts0", "k3web"]);
    ok(begun.entries >= APPLETS.length + 3);

    const resumed = await outputOf(start("resume", folder, diffId));
    equal(resumed.pid, begun.pid, "it is the same process all the time");
    equal(resumed.exec.text[1], "web-0\ntyped\n");
    ok(resumed.exec.text[2].includes("1 packets received"), resumed.exec.text[2]);
    equal(resumed.exec.exitCode, 5);
    equal(resumed.exitCode, 4);
    deepEqual(resumed.log, ["stdout F ready", "stdout F over", ""]);
  } finally {
    const cleaned = await outputOf(start("clean", folder, ""));
    deepEqual(cleaned, { unmounted: [`${folder}/c/root`], containers: 0, left: [] });
    await Deno.remove(folder, { recursive: true });
  }
});

async function outputOf(child: Deno.ChildProcess) {
  const { stdout, success } = await child.output();
  ok(success);
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** A layer with busybox; returns its diff id. */
async function makeLayer(folder: string): Promise<string> {
  const bin = `${folder}/files/bin`;
  await Deno.mkdir(bin, { recursive: true });
  for (const name of ["proc", "dev"]) await Deno.mkdir(`${folder}/files/${name}`);
  await Deno.copyFile("/bin/busybox", `${bin}/busybox`);
  for (const name of APPLETS) await Deno.symlink("busybox", `${bin}/${name}`);
  const { stdout } = await new Deno.Command("tar", { args: ["-C", `${folder}/files`, "-c", "."] }).output();
  await Deno.writeFile(`${folder}/layer.tar.gz`, gzipSync(stdout, { level: 1 }));
  return `sha256:${createHash("sha256").update(stdout).digest("hex")}`;
}

/** The machine's own network stays as it is. */
function start(phase: string, folder: string, diffId: string): Deno.ChildProcess {
  return new Deno.Command("unshare", {
    args: ["--net", Deno.execPath(), "run", "--quiet", "-A", PROGRAM, phase, folder, diffId],
    stdout: "piped",
  }).spawn();
}

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.includes("\n")) return text.slice(0, text.indexOf("\n"));
  }
  throw new Error("Cannot read a line as the program must print one: it ended before");
}
