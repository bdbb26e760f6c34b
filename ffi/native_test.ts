import { equal, rejects } from "node:assert/strict";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { EchoService } from "@k3ts/proto";
import { transportSuite } from "@k3ts/proto/testing";
import { openNative } from "./mod.ts";

transportSuite("FFI", openNative, { clientStreaming: false });

Deno.test("a folder without the library is refused with what to do", async () => {
  await rejects(() => openNative({ folder: "/nonexistent" }), /deno task setup/);
});

Deno.test("calls that are open when the library is closed fail as Unavailable", async () => {
  const native = await openNative();
  const call = createClient(EchoService, native.transport).say({ delayMs: 60_000 });
  const failed = rejects(call, (error) => error instanceof ConnectError && error.code === Code.Unavailable);
  await native.close();
  await failed;
});

Deno.test("a program with nothing open ends by itself, and one with an open call waits for it", async () => {
  const program = `
    import { createClient } from "@connectrpc/connect";
    import { EchoService } from "@k3ts/proto";
    import { openNative } from ${JSON.stringify(new URL("./mod.ts", import.meta.url).href)};
    const { transport } = await openNative();
    createClient(EchoService, transport).say({ text: "late", delayMs: 100 }).then(({ text }) => console.log(text));
  `;
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", program],
    cwd: new URL(".", import.meta.url),
    stderr: "inherit",
  }).output();
  equal(new TextDecoder().decode(stdout), "late\n");
  equal(code, 0);
});
