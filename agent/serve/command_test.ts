import { deepEqual as assertEquals, equal, throws } from "node:assert/strict";
import fc from "fast-check";
import {
  type CommandClient,
  exitStatus,
  joinCommand,
  LatestSize,
  type Size,
  SizeReader,
  type Status,
} from "./command.ts";

/** A client that hears nothing but the status, and a process that cannot be started. */
async function sizeAtStart(sizes: LatestSize): Promise<{ size: Size | undefined; status: Status | undefined }> {
  let status: Status | undefined;
  let size: Size | undefined;
  const client: CommandClient = {
    sizes,
    write: () => Promise.resolve(),
    finish: (told) => Promise.resolve(void (status = told)),
    gone: new Promise(() => {}),
  };
  await joinCommand(client, {
    action: "executing command in container",
    tty: true,
    open: (told) => {
      size = told;
      return Promise.reject(new Error("there is no shim"));
    },
    statusOf: exitStatus,
  });
  return { size, status };
}

Deno.test("a terminal's size is waited for before the program starts, though not for ever", async () => {
  const soon = new LatestSize();
  setTimeout(() => soon.put({ columns: 99, rows: 33 }), 20);
  assertEquals((await sizeAtStart(soon)).size, { columns: 99, rows: 33 });
  equal((await sizeAtStart(new LatestSize())).size, undefined);
});

Deno.test("a process that cannot be started is told of in the status", async () => {
  const gone = new LatestSize();
  gone.end();
  const { status } = await sizeAtStart(gone);
  equal(status?.message, "Internal error occurred: error executing command in container: there is no shim");
  equal(status?.code, 500);
});

Deno.test("an exit code travels as kubectl reads it", () => {
  equal(exitStatus(0).status, "Success");
  assertEquals(exitStatus(3).details, { causes: [{ reason: "ExitCode", message: "3" }] });
  equal(exitStatus(undefined).reason, "InternalError");
});

Deno.test("sizes are read however they were cut, and nothing else is", () => {
  const size = fc.record({ columns: fc.integer({ min: 1, max: 65535 }), rows: fc.integer({ min: 1, max: 65535 }) });
  fc.assert(fc.property(fc.array(size), fc.integer({ min: 1, max: 20 }), (sizes, cut) => {
    const text = sizes.map(({ columns, rows }) => JSON.stringify({ Width: columns, Height: rows })).join("\n");
    const bytes = new TextEncoder().encode(text);
    const reader = new SizeReader();
    const seen: Size[] = [];
    for (let at = 0; at < bytes.length; at += cut) seen.push(...reader.push(bytes.subarray(at, at + cut)));
    assertEquals(seen, sizes);
  }));
  throws(() => new SizeReader().push(new TextEncoder().encode("x}")), SyntaxError);
  throws(() => new SizeReader().push(new Uint8Array(2000).fill(0x20)), SyntaxError);
  assertEquals(new SizeReader().push(new TextEncoder().encode('{"Width":-5,"Height":"x"}')), [{ columns: 0, rows: 0 }]);
});
