/** `k3ts image`: the images on this machine, asked of its agent. */
import type { Command } from "commander";
import { resolve } from "node:path";
import { attempt, dataDirOption } from "../command.ts";
import { align } from "../output/table.ts";
import { Problem } from "../problem.ts";

interface ImageOptions {
  dataDir: string;
}

/** What the agent says of an image. */
interface ImageRow {
  reference: string;
  digest: string;
  size: number;
}

export function registerImage(program: Command): void {
  const image = program.command("image").description("the images on this machine");
  image.command("list")
    .description("what is here")
    .addOption(dataDirOption())
    .action((options: ImageOptions) => attempt(() => list(options)));
  image.command("import <path>")
    .description("take over images from an OCI archive, a Docker archive or an OCI layout folder")
    .addOption(dataDirOption())
    .action((path: string, options: ImageOptions) => attempt(() => importImages(path, options)));
}

async function list(options: ImageOptions): Promise<void> {
  const images = await ask(options.dataDir, "GET", "/images") as ImageRow[];
  const rows = images.map((
    { reference, digest, size },
  ) => [reference, digest.slice("sha256:".length).slice(0, 12), `${(size / 1e6).toFixed(1)} MB`]);
  console.log(align([["IMAGE", "ID", "SIZE"], ...rows]));
}

async function importImages(path: string, options: ImageOptions): Promise<void> {
  for (const { reference } of await importImage(options.dataDir, path)) console.log(`${reference} imported`);
}

/** @returns the images that the archive held */
export async function importImage(dataDir: string, path: string): Promise<ImageRow[]> {
  return await ask(dataDir, "POST", `/images/import?path=${encodeURIComponent(resolve(path))}`) as ImageRow[];
}

/** The agent listens on a unix socket that only root may use. */
async function ask(dataDir: string, method: string, path: string): Promise<unknown> {
  const socket = `${dataDir}/run/agent.sock`;
  using client = Deno.createHttpClient({ proxy: { transport: "unix", path: socket } });
  let response: Response;
  try {
    response = await fetch(`http://agent${path}`, { method, client });
  } catch (error) {
    throw new Problem(
      `The agent of this machine cannot be reached at ${socket}.`,
      "Start it with `k3ts up` or `k3ts agent`, as root.",
      { cause: error },
    );
  }
  const text = await response.text();
  if (!response.ok) throw new Problem(text.trim());
  return JSON.parse(text);
}
