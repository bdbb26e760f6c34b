/** An echo service on standard streams: a peer for tests that are about processes. Needs no permission at all. */
import { serveFrames, stdioChannel } from "../frames/mod.ts";
import { echoRoutes } from "./echo_service.ts";

await serveFrames(stdioChannel(), echoRoutes());
