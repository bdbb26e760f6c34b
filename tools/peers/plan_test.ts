import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import type { State } from "./cache.ts";
import { type Candidate, choosePeers, planPeers, tooLittleDisk, UnknownPeer } from "./plan.ts";

const NAMES = [
  "kubectl-1.34",
  "kubectl-1.35",
  "kube-apiserver",
  "e2e.test",
  "helm-3",
  "h2load",
  "iperf3",
  "nginx",
] as const;

const compiled = (name: string, source: string, aloneMb: number): Candidate => ({
  name,
  kind: "compiled",
  source,
  aloneMb,
});
const SERVER = compiled("kube-apiserver", "kubernetes 1.35", 2000);
const PROXY = compiled("kube-proxy", "kubernetes 1.35", 1500);
const KINE = compiled("kine", "kine 0.16", 700);
const NGINX: Candidate = { name: "nginx", kind: "package", source: "apt", aloneMb: 8 };

Deno.test("all peers are meant when none is named, and each once however often it is", () => {
  deepEqual(choosePeers([], NAMES), [...NAMES]);
  deepEqual(choosePeers(["nginx", "helm-3", "nginx"], NAMES), ["helm-3", "nginx"]);
});

Deno.test("a name without its version means all versions, and digits that belong to a name are no version", () => {
  deepEqual(choosePeers(["kubectl"], NAMES), ["kubectl-1.34", "kubectl-1.35"]);
  deepEqual(choosePeers(["helm"], NAMES), ["helm-3"]);
  throws(() => choosePeers(["iperf"], NAMES), UnknownPeer);
});

Deno.test("a name that is none is refused with the one that was meant, and with all that there are", () => {
  throws(() => choosePeers(["kubeapiserver"], NAMES), (error) => {
    ok(error instanceof UnknownPeer);
    match(
      error.message,
      /^There is no peer "kubeapiserver": did you mean "kube-apiserver"\?\nThe peers are kubectl-1\.34, /,
    );
    return true;
  });
  throws(() => choosePeers(["docker"], NAMES), /^UnknownPeer: There is no peer "docker"\n/);
});

Deno.test("what is sound is left alone, what is damaged or absent is made, by sources, after packages", () => {
  const states = new Map<string, State>([["kine", "sound"], ["kube-proxy", "damaged"]]);
  const plan = planPeers([SERVER, KINE, NGINX, PROXY], states, new Map(), 10_000);
  deepEqual(plan.cached, ["kine"]);
  deepEqual(plan.packages, ["nginx"]);
  deepEqual(plan.builds, [{ source: "kubernetes 1.35", names: ["kube-apiserver", "kube-proxy"] }]);
});

Deno.test("peers of the same sources take no more than all of them together", () => {
  const together = new Map([["kubernetes 1.35", 2500]]);
  equal(planPeers([SERVER], new Map(), together, 0).neededMb, 2000 + 500);
  equal(planPeers([SERVER, PROXY], new Map(), together, 0).neededMb, 2500 + 500);
  equal(planPeers([SERVER, PROXY, KINE], new Map(), together, 0).neededMb, 2500 + 700 + 500);
});

Deno.test("too little disk is said with what is needed for each and what is free", () => {
  const plan = planPeers([SERVER, KINE], new Map(), new Map(), 1234);
  const problem = tooLittleDisk(plan, "/cache");
  match(problem!, /^Cannot build the peers as 3\.2 GB must be free at \/cache: 1\.2 GB are free$/m);
  match(problem!, /^ +2\.0 GB {2}kube-apiserver \(kubernetes 1\.35\)$/m);
  match(problem!, /^ +0\.70 GB {2}kine \(kine 0\.16\)$/m);
});

Deno.test("where everything is there a full disk is no problem", () => {
  const plan = planPeers([KINE], new Map([["kine", "sound"]]), new Map(), 0);
  equal(tooLittleDisk(plan, "/cache"), undefined);
});

Deno.test("a plan names each peer once, whatever is there, and needs more only for more", () => {
  const all = [SERVER, PROXY, KINE, NGINX];
  const states = fc.array(fc.constantFrom<State>("sound", "absent", "damaged"), { minLength: 4, maxLength: 4 });
  fc.assert(fc.property(fc.subarray(all), states, (wanted, found) => {
    const byName = new Map(all.map(({ name }, index) => [name, found[index]!]));
    const plan = planPeers(wanted, byName, new Map([["kubernetes 1.35", 2500]]), 10_000);
    const named = [...plan.cached, ...plan.packages, ...plan.builds.flatMap(({ names }) => names)];
    deepEqual(named.sort(), wanted.map(({ name }) => name).sort());
    const everything = planPeers(all, new Map(), new Map([["kubernetes 1.35", 2500]]), 10_000);
    ok(plan.neededMb <= everything.neededMb);
  }));
});
