import { deepEqual as assertEquals, equal, throws } from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import { type DiscoveredResource, DiscoveredResourceSchema } from "@k3ts/proto";
import { apiVersionOf, displayName, findResource, parseTargets } from "./names.ts";

const row = (
  group: string,
  version: string,
  resource: string,
  kind: string,
  more: { shortNames?: string[]; categories?: string[]; preferred?: boolean } = {},
): DiscoveredResource =>
  create(DiscoveredResourceSchema, {
    group,
    version,
    resource,
    kind,
    singular: kind.toLowerCase(),
    namespaced: true,
    preferred: true,
    ...more,
  });

const pods = row("", "v1", "pods", "Pod", { shortNames: ["po"], categories: ["all"] });
const services = row("", "v1", "services", "Service", { shortNames: ["svc"], categories: ["all"] });
const deployments = row("apps", "v1", "deployments", "Deployment", { shortNames: ["deploy"], categories: ["all"] });
const newEvents = row("events.k8s.io", "v1", "events", "Event");
const events = row("", "v1", "events", "Event", { shortNames: ["ev"] });
const old = row("apps", "v1beta1", "deployments", "Deployment", { preferred: false });
const discovered = [newEvents, old, pods, services, deployments, events];

Deno.test("a resource is found by plural, singular, kind, short name and group", () => {
  for (const word of ["pods", "pod", "Pod", "po"]) equal(findResource(word, discovered), pods);
  for (const word of ["deployments.apps", "deploy", "deployment.apps"]) {
    equal(findResource(word, discovered), deployments);
  }
});

Deno.test("the core group goes before others of the same name", () => {
  equal(findResource("events", discovered), events);
  equal(findResource("events.events.k8s.io", discovered), newEvents);
});

Deno.test("an unknown resource brings what may have been meant", () => {
  throws(() => findResource("podz", discovered), /The server has no resource "podz": did you mean "pods"\?/);
  throws(() => findResource("xyzzy", discovered), /The server has no resource "xyzzy"$/);
});

Deno.test("words are one resource with names, several resources, a category, or pairs", () => {
  assertEquals(parseTargets(["po", "a", "b"], discovered), [{ resource: pods, names: ["a", "b"] }]);
  assertEquals(parseTargets(["po,svc"], discovered).map(({ resource }) => resource), [pods, services]);
  assertEquals(parseTargets(["all"], discovered).map(({ resource }) => resource), [pods, services, deployments]);
  assertEquals(parseTargets(["po/a", "svc/x", "pod/b"], discovered), [
    { resource: pods, names: ["a", "b"] },
    { resource: services, names: ["x"] },
  ]);
});

Deno.test("pairs and single words do not mix", () => {
  throws(() => parseTargets(["po/a", "b"], discovered), /must be named as RESOURCE\/NAME.*"b" is not/);
  throws(() => parseTargets(["po/a/b"], discovered), /"po\/a\/b" is not/);
  throws(() => parseTargets([], discovered), /A resource must be named/);
});

Deno.test("names are shown as they can be typed", () => {
  equal(displayName(pods, "a"), "pod/a");
  equal(displayName(deployments, "a"), "deployment.apps/a");
  equal(displayName(pods, "a\npod/b\u001b[2J\u009dx\u0007"), "pod/a\\npod/b^[[2J^[]x^G");
  assertEquals([apiVersionOf(pods), apiVersionOf(deployments)], ["v1", "apps/v1"]);
});
