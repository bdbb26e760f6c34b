import { fileURLToPath } from "node:url";
import { createRouterTransport } from "@connectrpc/connect";
import { createFrameTransport, processChannel, serveFrames, streamChannel } from "../frames/mod.ts";
import { echoRoutes, type OpenTransport, transportSuite } from "./mod.ts";

transportSuite("in process", () => {
  return Promise.resolve({ transport: createRouterTransport(echoRoutes()), close: () => {} });
}, { clientStreaming: true });

const processes = new WeakMap<OpenTransport, Deno.ChildProcess>();

transportSuite("standard streams of a process without permissions", () => {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--no-remote", "--cached-only", path("echo_main.ts")],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const channel = processChannel(process);
  const opened = {
    transport: createFrameTransport(channel),
    async close() {
      await channel.close();
      await process.status;
    },
  };
  processes.set(opened, process);
  return Promise.resolve(opened);
}, { clientStreaming: false, vanish: (opened) => processes.get(opened)?.kill("SIGKILL") });

const servers = new WeakMap<OpenTransport, AbortController>();

transportSuite("unix socket", async () => {
  const directory = await Deno.makeTempDir();
  const listener = Deno.listen({ transport: "unix", path: `${directory}/echo.sock` });
  const [client, server] = await Promise.all([
    Deno.connect({ transport: "unix", path: `${directory}/echo.sock` }),
    listener.accept(),
  ]);
  listener.close();
  await Deno.remove(directory, { recursive: true });
  const stop = new AbortController();
  const served = serveFrames(streamChannel(server), echoRoutes(), { signal: stop.signal });
  const channel = streamChannel(client);
  const opened = {
    transport: createFrameTransport(channel),
    async close() {
      await channel.close();
      await served;
    },
  };
  servers.set(opened, stop);
  return opened;
}, { clientStreaming: false, vanish: (opened) => servers.get(opened)?.abort() });

function path(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}
