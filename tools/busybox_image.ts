/**
 * `deno task hello-image [FILE]`: makes the image of `examples/hello` from this machine's static busybox
 * (Debian: busybox-static), for machines that reach no image registry. Load it with `k3ts image import FILE`.
 */
import type { DebianProgram } from "./debian.ts";
import { ociArchive } from "./oci_archive.ts";
import { output, which } from "./run.ts";
import type { TarEntry } from "./tar.ts";

/** Linked statically, as images have no libraries. */
export const BUSYBOX: DebianProgram = { program: "busybox", package: "busybox-static" };

const REFERENCE = "docker.io/library/busybox:1.37";

export const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Those of any image. */
export const FOLDERS: readonly TarEntry[] = [
  ...["bin", "dev", "etc", "home", "proc", "root", "sys", "usr", "usr/bin", "var"].map((path) => ({
    path,
    type: "folder" as const,
  })),
  { path: "tmp", type: "folder", mode: 0o1777 },
];

/** @returns an OCI archive */
export async function busyboxImage(reference: string = REFERENCE): Promise<Uint8Array<ArrayBuffer>> {
  const text = (content: string) => new TextEncoder().encode(content);
  return ociArchive({
    reference,
    config: { Cmd: ["sh"], Env: [PATH] },
    files: [
      ...FOLDERS,
      ...await busyboxPrograms(),
      {
        path: "etc/passwd",
        type: "file",
        data: text("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n"),
      },
      { path: "etc/group", type: "file", data: text("root:x:0:\nnobody:x:65534:\n") },
    ],
  });
}

/** In `bin`: busybox, and a link to it by the name of everything that it can be. */
export async function busyboxPrograms(): Promise<TarEntry[]> {
  const busybox = await which("busybox");
  if (busybox === undefined) {
    throw new Error("Cannot make the image as a static busybox must be installed: run deno task setup");
  }
  const applets = (await output([busybox, "--list"])).split("\n").filter((name) => name !== "" && name !== "busybox");
  return [
    { path: "bin/busybox", type: "file", mode: 0o755, data: await Deno.readFile(busybox) },
    ...applets.map((name) => ({ path: `bin/${name}`, type: "link" as const, target: "busybox" })),
  ];
}

if (import.meta.main) {
  const path = Deno.args[0] ?? "busybox.tar";
  await Deno.writeFile(path, await busyboxImage());
  console.log(`Wrote ${path} (${REFERENCE}). Next: k3ts image import ${path}`);
}
