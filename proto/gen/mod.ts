// Made by generate.ts. Not to be edited.
export * from "./k3ts/v1/cluster_pb.ts";
export * from "./k3ts/v1/dns_pb.ts";
export * from "./k3ts/v1/echo_pb.ts";
export * from "./k3ts/v1/frame_pb.ts";
export * from "./k3ts/v1/gateway_pb.ts";
export * from "./k3ts/v1/image_pb.ts";
export * from "./k3ts/v1/metrics_pb.ts";
export * from "./k3ts/v1/network_pb.ts";
export * from "./k3ts/v1/node_pb.ts";
export * from "./k3ts/v1/plugin_pb.ts";
export * from "./k3ts/v1/resource_pb.ts";
export * from "./k3ts/v1/runtime_pb.ts";
export * from "./k3ts/v1/store_pb.ts";
export * from "./k3ts/v1/stream_pb.ts";
export * from "./k3ts/v1/supervisor_pb.ts";
