/** Go's client, as kubectl and nearly every controller has it, sends more than anybody reads. */
import { equal } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { CACHE } from "@k3ts/tools/paths";
import { serve } from "./backend.ts";
import { Gateway } from "./gateway.ts";

const ROUNDS = 20;

Deno.test("Go's client hears an early answer to a large upload, over HTTP/1.1 and HTTP/2", async () => {
  const program = await build();
  await using gateway = await Gateway.start();
  await using _server = serve(gateway.serverSocket, () => new Response("enough", { status: 401 }));
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args: [`${gateway.url}/upload`, gateway.supervised.path("pki/ca.crt"), `${ROUNDS}`],
  }).output();
  equal(success, true, new TextDecoder().decode(stderr));
  const heard = (declared: boolean, protocol: string) => `${declared} map[${protocol} 401 enough <nil>:${ROUNDS}]`;
  equal(
    new TextDecoder().decode(stdout).trim(),
    [heard(false, "HTTP/1.1"), heard(true, "HTTP/1.1"), heard(false, "HTTP/2.0"), heard(true, "HTTP/2.0")].join("\n"),
  );
});

/** Go's own cache makes it cheap the second time. */
async function build(): Promise<string> {
  const program = `${CACHE}/uploads`;
  const { success, stderr } = await new Deno.Command("go", {
    args: ["build", "-o", program, fileURLToPath(new URL("uploads/main.go", import.meta.url))],
    env: { CGO_ENABLED: "0", GOTOOLCHAIN: "local", GO111MODULE: "off" },
  }).output();
  equal(success, true, new TextDecoder().decode(stderr));
  return program;
}
