/** For tests of controllers: a whole cluster in the test's own process, with a kubelet that only pretends. */
export { type TestCluster, testCluster, type TestClusterOptions } from "./cluster.ts";
export { type FakeKubelet, fakeKubelet, type KubeletOptions } from "./kubelet.ts";
export { type Failure, runControllers, type RunningControllers } from "./controllers.ts";
