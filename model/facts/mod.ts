/** What is known of the API's resources and types: names, numbers, how values are encoded and merged. */
export { type FieldDefinition, FieldFacts, type ScalarName, type Shape } from "./fields.ts";
export {
  allGroups,
  allResources,
  apiVersionOf,
  type GroupFacts,
  KUBERNETES_VERSION,
  objectType,
  parseApiVersion,
  type ResourceFacts,
  resourceFacts,
  resourceOfKind,
  type ResourceVersionFacts,
  type SubresourceFacts,
  subresourceFacts,
  type Verb,
  versionFacts,
} from "./resources.ts";
export { typeByKey, TypeFacts, typeFacts, typeKeys } from "./types.ts";
