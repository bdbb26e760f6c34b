import { storeSuite } from "../testing/store_suite.ts";
import { MemoryStore } from "./memory.ts";

storeSuite("memory", () => Promise.resolve({ store: new MemoryStore(), async [Symbol.asyncDispose]() {} }));
