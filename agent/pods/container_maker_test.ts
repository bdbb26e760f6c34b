import { equal } from "node:assert/strict";
import { stopSignalOf } from "./container_maker.ts";

Deno.test("a stop signal is one that the kernel has, whatever an image says", () => {
  const cases: [string | undefined, number][] = [
    [undefined, 15],
    ["SIGQUIT", 3],
    ["QUIT", 3],
    ["9", 9],
    ["SIGRTMIN+3", 37],
    ["RTMAX-2", 62],
    ["SIGRTMIN+99", 15],
    ["SIGRTMAX+1", 15],
    ["SIGRTMIN-99", 15],
    ["0", 15],
    ["65", 15],
    ["SIGNONE", 15],
    ["", 15],
  ];
  for (const [said, expected] of cases) equal(stopSignalOf(said), expected, said);
});
