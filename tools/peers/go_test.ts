import { equal, match, rejects } from "node:assert/strict";
import { buildError, checkProgram, wrapperModule } from "./go.ts";

const REPLACED = {
  Go: "1.25.0",
  Replace: [
    { Old: { Path: "k8s.io/api" }, New: { Path: "./staging/src/k8s.io/api" } },
    { Old: { Path: "example.org/a", Version: "v1.0.0" }, New: { Path: "example.org/fork", Version: "v1.0.1" } },
    { Old: { Path: "example.org/sibling" }, New: { Path: "../sibling" } },
  ],
};

Deno.test("a module's replacements and defaults hold in the one that its programs are built from", () => {
  const source = "module k8s.io/kubernetes\n\ngo 1.25.0\n\ngodebug default=go1.25\n\nrequire x v1.0.0\n";
  equal(
    wrapperModule("k8s.io/kubernetes", "1.35.4", REPLACED, source),
    `module peers

go 1.25.0

require k8s.io/kubernetes v1.35.4
godebug default=go1.25
replace k8s.io/api => k8s.io/api v0.35.4
replace example.org/a v1.0.0 => example.org/fork v1.0.1
`,
  );
});

Deno.test("defaults that stand in a block are found too", () => {
  const source = "module m\n\ngodebug (\n\tdefault=go1.24\n\tpanicnil=1\n)\n";
  match(wrapperModule("m", "1.0.0", {}, source), /^godebug default=go1\.24\ngodebug panicnil=1$/m);
});

Deno.test("a registry that cannot be reached is said to be that, in one line", () => {
  const tail = [
    "go: downloading example.org/m v1.0.0",
    'go: example.org/m@v1.0.0: Get "https://registry/m": dial tcp: lookup registry: no such host',
  ];
  const { message } = buildError("m 1.0.0", 1, tail, "https://registry");
  match(
    message,
    /^Cannot build m 1\.0\.0 as the registry of Go modules \(GOPROXY=https:\/\/registry\) must be reachable: .*no such host$/,
  );
});

Deno.test("any other failure is told with the last that the compiler said", () => {
  const { message } = buildError("m 1.0.0", 2, ["# example.org/m", "./main.go:1:1: undefined: x"], "https://registry");
  equal(message, "Cannot build m 1.0.0: go ended with exit 2\n# example.org/m\n./main.go:1:1: undefined: x");
});

Deno.test("a program that does not answer as its version does is refused", async () => {
  const folder = await Deno.makeTempDir({ prefix: "k3ts-peers-" });
  try {
    const path = `${folder}/kine`;
    const check = { args: ["--version"], says: "kine version v0.14.6" };
    const program = (script: string) => Deno.writeTextFile(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    await program('[ "$*" = --version ] && echo "kine version v0.14.6 (HEAD)" >&2; exit 1');
    await checkProgram(path, "kine", check);
    await program("echo kine version v0.14.5");
    await rejects(
      checkProgram(path, "kine", check),
      /must say "kine version v0\.14\.6": it says "kine version v0\.14\.5"$/,
    );
    await program("exit 0");
    await rejects(checkProgram(path, "kine", check), /Cannot use the kine that was built .* it says ""$/);
    await Deno.writeTextFile(path, "no program");
    await rejects(checkProgram(path, "kine", check));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
