import { deepEqual as assertEquals, equal, ok as assert, throws } from "node:assert/strict";
import type { Container, Pod } from "@k3ts/model/objects";
import { aPod } from "@k3ts/model/testing";
import { defaultSeccomp, seccompChoiceOf } from "./seccomp.ts";

const choose = (container: Container["securityContext"], pod?: NonNullable<Pod["spec"]>["securityContext"]) =>
  seccompChoiceOf(aPod({ spec: { ...(pod && { securityContext: pod }) } }), {
    name: "c",
    ...(container && { securityContext: container }),
  });

const allows = (name: string, capabilities: string[] = [], arch: "x86_64" | "aarch64" = "x86_64") =>
  (defaultSeccomp(capabilities, arch).syscalls ?? []).filter((one) =>
    one.names.includes(name) && one.action === "SCMP_ACT_ALLOW"
  );

Deno.test("a container is confined unless it asks not to be, or is privileged", () => {
  assertEquals(choose(undefined), { type: "RuntimeDefault" });
  assertEquals(choose({ seccompProfile: { type: "Unconfined" } }, { seccompProfile: { type: "RuntimeDefault" } }), {
    type: "Unconfined",
  });
  assertEquals(choose({ privileged: true }), { type: "Unconfined" });
  const localhost = { type: "Localhost" as const, localhostProfile: "audit.json" };
  assertEquals(choose(undefined, { seccompProfile: localhost }), { type: "Localhost", path: "audit.json" });
});

Deno.test("a profile of the node's own stays in its folder", () => {
  for (const localhostProfile of ["", "/etc/passwd", "../x.json", "a/../../x.json"]) {
    throws(() => choose({ seccompProfile: { type: "Localhost", localhostProfile } }), /must lie in/);
  }
});

Deno.test("what changes the machine needs the capability for it", () => {
  for (
    const [name, capability] of [["mount", "CAP_SYS_ADMIN"], ["bpf", "CAP_BPF"], ["reboot", "CAP_SYS_BOOT"]] as const
  ) {
    equal(allows(name).length, 0, name);
    equal(allows(name, [capability]).length, 1, name);
  }
  equal(allows("read").length, 1);
  equal(allows("keyctl").length, 0);
});

Deno.test("clone makes no namespaces, and clone3 says that it is not there", () => {
  const [clone] = allows("clone");
  equal(clone?.args?.[0]?.op, "SCMP_CMP_MASKED_EQ");
  equal(allows("clone", ["CAP_SYS_ADMIN"])[0]?.args, undefined);
  const clone3 = defaultSeccomp([], "x86_64").syscalls?.find((one) => one.names.includes("clone3"));
  equal(clone3?.errnoRet, 38);
});

Deno.test("each machine has the calls of its kind", () => {
  assert(allows("arch_prctl").length === 1 && allows("arch_prctl", [], "aarch64").length === 0);
  assert(allows("set_tls").length === 0 && allows("set_tls", [], "aarch64").length === 1);
});
