import { equal, throws } from "node:assert/strict";
import { parseDataDir } from "./command.ts";

Deno.test("a data directory whose sockets could not be reached is refused with its length", () => {
  const longest = `/${"x".repeat(61)}`;
  equal(parseDataDir(longest), longest);
  throws(() => parseDataDir(`${longest}/ö`), { message: "It must have at most 62 bytes: it has 65." });
});
