/** The OpenAPI documents of what a server serves, made from the facts. */
export { OpenApi, type OpenApiDocument } from "./documents.ts";
export { groupVersionPath, type ServedResource } from "./served.ts";
