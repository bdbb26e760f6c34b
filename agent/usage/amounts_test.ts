import { deepEqual, equal, throws } from "node:assert/strict";
import { amountsOfCgroup, amountsOfMachine } from "./amounts.ts";

Deno.test("both versions of control groups are read alike", () => {
  const one = amountsOfCgroup(1, {
    cpu: "1500000000\n",
    usage: "1000000\n",
    // Of the group alone, and with all below it: what counts is the latter.
    memoryStat:
      "inactive_file 1\nrss 2\ntotal_rss 300000\ntotal_inactive_file 250000\ntotal_pgfault 7\ntotal_pgmajfault 1\n",
  });
  const two = amountsOfCgroup(2, {
    cpu: "usage_usec 1500000\nuser_usec 1\nsystem_usec 2\n",
    usage: "1000000\n",
    memoryStat: "anon 300000\ninactive_file 250000\npgfault 7\npgmajfault 1\n",
  });
  deepEqual(one, two);
  deepEqual(one, {
    cpuNs: 1_500_000_000,
    memory: { usage: 1_000_000, workingSet: 750_000, rss: 300_000, pageFaults: 7, majorPageFaults: 1 },
  });
});

Deno.test("more file pages than memory leave a working set of nothing", () => {
  const { memory } = amountsOfCgroup(2, { cpu: "usage_usec 0\n", usage: "5\n", memoryStat: "inactive_file 10\n" });
  equal(memory.workingSet, 0);
});

Deno.test("texts that are none of a kernel are refused", () => {
  throws(() => amountsOfCgroup(2, { cpu: "", usage: "5\n", memoryStat: "" }), /usage_usec of a cgroup/);
  throws(() => amountsOfCgroup(1, { cpu: "1\n", usage: "max\n", memoryStat: "" }), /the memory of a cgroup.*"max/);
  throws(() => amountsOfMachine("cpu  a b", "", ""), /whole number/);
});

Deno.test("of a machine counts what was neither idle nor waiting, and a guest's time once", () => {
  const { cpuNs, memory } = amountsOfMachine(
    "cpu  100 10 50 1000 500 5 6 7 40 2\ncpu0 1 2 3 4\n",
    "MemTotal:       1000 kB\nMemFree:         400 kB\nInactive(file):  100 kB\nAnonPages:        80 kB\n",
    "pgfault 9\npgmajfault 2\n",
  );
  equal(cpuNs, (100 + 10 + 50 + 5 + 6 + 7) * 10_000_000);
  deepEqual(memory, { usage: 614_400, workingSet: 512_000, rss: 81_920, pageFaults: 9, majorPageFaults: 2 });
});
