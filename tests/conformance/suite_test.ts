import { deepEqual, equal } from "node:assert/strict";
import { commandOf, listed } from "./suite.ts";

Deno.test("of the suite's list only conformance tests count", () => {
  const text = `The following spec names can be used with 'ginkgo run --focus/skip':
    k8s.io/kubernetes/test/e2e/apps/job.go:70: [sig-apps] Job should run [Conformance]
    k8s.io/kubernetes/test/e2e/apps/job.go:90: [sig-apps] Job should fail
    k8s.io/kubernetes/test/e2e/apimachinery/watch.go:58: [sig-api-machinery] Watchers: should observe [Conformance]
`;
  deepEqual(listed(text), [
    "[sig-api-machinery] Watchers: should observe [Conformance]",
    "[sig-apps] Job should run [Conformance]",
  ]);
});

Deno.test("the focus is the name to the letter, and no test whose name only begins with it", () => {
  const suite = { program: "e2e.test", kubectl: "kubectl" };
  const place = { namespace: "n1", kubeconfig: "admin.kubeconfig" };
  const name =
    '[sig-node] Probing container should *not* be restarted with a exec "cat /tmp/health" probe (0644) [Conformance]';
  const focus = commandOf(suite, place, name).find((word) => word.startsWith("--ginkgo.focus="))!;
  const pattern = new RegExp(focus.slice("--ginkgo.focus=".length));
  equal(pattern.test(`Kubernetes e2e suite ${name}`), true);
  equal(pattern.test(`Kubernetes e2e suite ${name} and more`), false);
  equal(pattern.test(`Kubernetes e2e suite ${name.replace("*not*", "not")}`), false);
});
