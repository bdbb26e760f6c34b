/**
 * The API machinery: a whole API server as a library, without sockets or processes.
 *
 * {@link createApiServer} opens a store and gives the verbs; faces turn requests of their protocols into calls of them.
 */
export * from "./status.ts";
export { versionInfo } from "./version.ts";
export * from "./server.ts";
export * from "./resources.ts";
export { refuseIfOutOfBounds } from "./store/bounds.ts";
export * from "./store/store.ts";
export * from "./store/memory.ts";
export * from "./registry/stored_object.ts";
export type { Allocator, RegistryOptions, WriteOptions } from "./registry/options.ts";
export { Registry } from "./registry/registry.ts";
export { Cache } from "./cache/cache.ts";
export { EncodedEvent, type Form, type Framing, JSON_FORM, type WatchEventType } from "./cache/encoding.ts";
export { Projection } from "./cache/projection.ts";
export type { ListPage, Scope } from "./cache/resource_cache.ts";
export type { Channel, Publisher } from "./cache/groups.ts";
export { type EventSink, type JoiningSink, Watch } from "./cache/watch.ts";
export * from "./auth/authenticate.ts";
export { Access, type Decision, type KnownRules } from "./auth/access.ts";
export * from "./auth/rbac.ts";
export type { Action, PathAction, PolicyRule, ResourceAction } from "./auth/rules.ts";
export * from "./auth/service_account_tokens.ts";
export * from "./auth/user.ts";
export { forbiddenNodeLabels } from "./admission/node_labels.ts";
export { Admission, type AdmissionPlugin, type AdmissionRequest } from "./admission/admission.ts";
export { SERVICE_RANGES, type ServiceRanges } from "./allocators/services.ts";
export { type FormChoice, Forms } from "./forms/forms.ts";
export { jsonList, listBytes, listMetadata, metadataList, protobufList, tableList, yamlList } from "./forms/list.ts";
export { type IncludeObject, type Table, tableOf } from "./forms/table.ts";
export {
  type ComputedGroup,
  ComputedGroups,
  type ComputedResource,
  type ComputedSelection,
  type FoundResource,
} from "./discovery/computed.ts";
export { Discovery } from "./discovery/discovery.ts";
export * from "./verbs/mod.ts";
export { type Identify, routeResources } from "./faces/connect.ts";
export { connectErrorOf, connectErrorOfStatus } from "./faces/connect_errors.ts";
