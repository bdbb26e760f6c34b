import { deepEqual as assertEquals } from "node:assert/strict";
import { countOf, runSteps } from "./steps.ts";

Deno.test("the summaries of deno test and cargo test are counted", () => {
  assertEquals(countOf("\x1b[0m\x1b[32mok\x1b[0m | 5 passed | 0 failed \x1b[0m(27ms)"), { passed: 5, failed: 0 });
  assertEquals(countOf("FAILED | 3 passed (2 steps) | 1 failed (1s)"), { passed: 3, failed: 1 });
  assertEquals(countOf("test result: FAILED. 7 passed; 2 failed; 0 ignored"), { passed: 7, failed: 2 });
  assertEquals(countOf("running 5 tests"), undefined);
});

Deno.test("a step without tests counts as one, a missing program as a failure", async () => {
  const { log } = console;
  console.log = () => {};
  try {
    assertEquals(await runSteps([{ name: "true", command: ["true"] }, { name: "false", command: ["false"] }]), {
      passed: 1,
      failed: 1,
    });
    assertEquals(await runSteps([{ name: "no such program", command: ["k3ts-no-such-program"] }]), {
      passed: 0,
      failed: 1,
    });
  } finally {
    console.log = log;
  }
});
