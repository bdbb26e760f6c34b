/** For tests of transports: the echo service, and the suite that every transport passes. */
export { ECHO_KEY, echoRoutes } from "./echo_service.ts";
export { type OpenTransport, transportSuite, type TransportSuiteOptions } from "./transport_suite.ts";
