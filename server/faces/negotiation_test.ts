import { deepEqual, equal } from "node:assert/strict";
import { chooseForm, wantsAggregatedDiscovery } from "./negotiation.ts";

Deno.test("the first form that there is, by quality and then by order, is chosen", () => {
  const table = "application/json;as=Table;v=v1;g=meta.k8s.io";
  const cases: [string, object | undefined][] = [
    ["", { as: "json" }],
    ["*/*", { as: "json" }],
    ["application/vnd.kubernetes.protobuf,application/json", { as: "protobuf" }],
    ["application/json;q=0.5,application/yaml", { as: "yaml" }],
    [`${table},application/json`, { as: "table", include: "Metadata" }],
    ["application/json;as=Table;v=v2;g=meta.k8s.io,application/json", { as: "json" }],
    [
      "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1," +
      "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
      { as: "metadata" },
    ],
    ["text/html", undefined],
  ];
  for (const [accept, wanted] of cases) deepEqual(chooseForm(accept, "Metadata"), wanted, accept);
});

Deno.test("where there are no tables, who takes nothing else gets nothing", () => {
  const table = "application/json;as=Table;v=v1;g=meta.k8s.io";
  equal(chooseForm(table, undefined), undefined);
  deepEqual(chooseForm(`${table},application/json`, undefined), { as: "json" });
});

Deno.test("discovery is whole only for those who read that version of it", () => {
  const v2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
  const v2beta1 = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";
  equal(wantsAggregatedDiscovery(`${v2},${v2beta1},application/json`), true);
  equal(wantsAggregatedDiscovery(`${v2beta1},application/json`), false);
  equal(wantsAggregatedDiscovery("application/json"), false);
});
