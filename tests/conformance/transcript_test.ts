import { deepEqual, equal, match } from "node:assert/strict";
import { conclude } from "./conclude.ts";
import { Transcript } from "./transcript.ts";

async function read(name: string): Promise<Transcript> {
  const text = await Deno.readTextFile(`${import.meta.dirname}/testdata/${name}.txt`);
  return readText(text);
}

function readText(text: string): Transcript {
  const transcript = new Transcript();
  text.split("\n").forEach((line, at) => transcript.push(line, at * 1_000));
  return transcript;
}

Deno.test("a test that passed is told from a suite that passed", async () => {
  const transcript = await read("passed");
  equal(transcript.report?.verdict, "passed");
  equal(transcript.runId?.length, 36);
  deepEqual(conclude({ transcript, hopeless: undefined, code: 0, seconds: 2.04 }), { verdict: "passed", seconds: 2 });
});

Deno.test("a failure's message and place are those of the report, not of the clean-up", async () => {
  const transcript = await read("failed");
  const { verdict, message, place } = conclude({ transcript, hopeless: undefined, code: 1, seconds: 3 });
  equal(verdict, "failed");
  match(message!, /^error missing unknown\/duplicate field .* unknown field "spec.unknownField"$/);
  equal(place, "k8s.io/kubernetes/test/e2e/apimachinery/field_validation.go:105");
});

Deno.test("what a message has on further lines belongs to it", () => {
  const { report } = readText(`• [FAILED] [0.182 seconds]
[sig-api-machinery] Servers [It] should return a 406
k8s.io/kubernetes/test/e2e/apimachinery/table_conversion.go:154

  [FAILED] failed to return error
  Expected an error to have occurred.  Got:
      <nil>: nil
  In [It] at: k8s.io/kubernetes/test/e2e/apimachinery/table_conversion.go:167 @ 11/20/26 12:32:04.56

  [FAILED] another one`);
  equal(report?.message, "failed to return error\nExpected an error to have occurred.  Got:\n    <nil>: nil");
  equal(report?.place, "k8s.io/kubernetes/test/e2e/apimachinery/table_conversion.go:167");
});

Deno.test("a process that panics has no report but a last word", async () => {
  const transcript = await read("panicked");
  equal(transcript.report, undefined);
  const { verdict, message } = conclude({ transcript, hopeless: undefined, code: 2, seconds: 3 });
  equal(verdict, "failed");
  match(message!, /^ended with exit 2 and without a report; last said: Got an error creating template/);
});

Deno.test("a skipped test and its reason are known", () => {
  const transcript = readText(`S [SKIPPED] [0.012 seconds]
[sig-apps] Daemon set [BeforeEach] should rollback
  [SKIPPED] Conformance test suite needs a cluster with at least 2 nodes.
  In [BeforeEach] at: k8s.io/kubernetes/test/e2e/apps/daemon_set.go:433 @ 11/20/26 12:32:04.56`);
  const { verdict, message } = conclude({ transcript, hopeless: undefined, code: 0, seconds: 1 });
  equal(verdict, "skipped");
  match(message!, /at least 2 nodes/);
});

Deno.test("a suite that fails before its test is a failure, though the process may say little", () => {
  const transcript = readText(`[SynchronizedBeforeSuite] [FAILED] [120.018 seconds]
[SynchronizedBeforeSuite] 
k8s.io/kubernetes/test/e2e/e2e.go:69

  [FAILED] Unexpected error:
      there are currently 1 not schedulable nodes
  In [SynchronizedBeforeSuite] at: k8s.io/kubernetes/test/e2e/e2e.go:233 @ 11/20/26 12:32:04.56`);
  const { verdict, message } = conclude({ transcript, hopeless: undefined, code: 1, seconds: 121 });
  equal(verdict, "failed");
  match(message!, /not schedulable nodes/);
});

Deno.test("an interrupted test says where it was, and what it waited for", () => {
  const transcript = readText(`  STEP: Wait for the deployment to be ready @ 11/20/26 12:28:19.359
  I1120 12:28:21.380564 12803 deployment.go:104] deployment status: ReadyReplicas:0
  [INTERRUPTED] in [BeforeEach] - k8s.io/kubernetes/test/e2e/apimachinery/webhook.go:91 @ 11/20/26 12:29:11.725
  STEP: dump namespace information after failure @ 11/20/26 12:30:55.826
• [INTERRUPTED] [52.969 seconds]

  [INTERRUPTED] Interrupted by User
  In [BeforeEach] at: k8s.io/kubernetes/test/e2e/apimachinery/webhook.go:91 @ 11/20/26 12:29:11.725`);
  deepEqual(conclude({ transcript, hopeless: "not over after 50 s", code: 1, seconds: 53 }), {
    verdict: "hopeless",
    seconds: 53,
    message:
      'watchdog: not over after 50 s; at "Wait for the deployment to be ready"; last said: deployment status: ReadyReplicas:0',
    place: "k8s.io/kubernetes/test/e2e/apimachinery/webhook.go:91",
  });
});

Deno.test("a test that passes in the moment in which it is given up has passed", async () => {
  const transcript = await read("passed");
  equal(conclude({ transcript, hopeless: "not over after 50 s", code: 0, seconds: 50 }).verdict, "passed");
});

Deno.test("a line that differs in counters and times only is repeated, until a step or another line", () => {
  const transcript = new Transcript();
  const say = (text: string, ms: number) => transcript.push(`  I1120 12:28:21.380564 12803 pod.go:104] ${text}`, ms);
  say('Pod "a-1": Phase="Pending", Elapsed: 2.5s at 0xf312e65ceac', 1_000);
  say('Pod "a-1": Phase="Pending", Elapsed: 14.1s at 0xf3134ce019c', 3_000);
  say('Pod "a-1": Phase="Pending", Elapsed: 1m16s at 0xf3134ce019c', 9_000);
  equal(transcript.repeated!.count, 3);
  equal(transcript.repeated!.sinceMs, 1_000);
  say('Pod "a-1": Phase="Running"', 10_000);
  equal(transcript.repeated!.count, 1);
  transcript.push("  STEP: deleting the pod @ 11/20/26 12:28:19.359", 11_000);
  equal(transcript.repeated, undefined);
  equal(transcript.lastLine, "");
});
