/** The API machinery: a library without sockets. */
export * from "./store/store.ts";
export * from "./store/memory.ts";
