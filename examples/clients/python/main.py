"""Lists, watches and applies ConfigMaps of a k3ts cluster over gRPC."""

import argparse
import base64
import json
import os
from pathlib import Path
from urllib.parse import urlparse

import grpc
import yaml
from google.rpc import status_pb2

from k3ts.v1 import resource_pb2 as pb
from k3ts.v1 import resource_pb2_grpc

NAME = "from-python"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--namespace", default="default")
    namespace = parser.parse_args().namespace

    every = pb.ResourceName(version="v1", resource="configmaps", namespace=namespace)
    one = pb.ResourceName(version="v1", resource="configmaps", namespace=namespace, name=NAME)
    with connect() as channel:
        client = resource_pb2_grpc.ResourceServiceStub(channel)

        listed = client.List(pb.ListRequest(resource=every, encoding=pb.ENCODING_JSON))
        print(f"listed {len(listed.objects)} at revision {listed.resource_version}")

        watch = client.Watch(
            pb.WatchRequest(
                resource=every,
                encoding=pb.ENCODING_JSON,
                field_selector=f"metadata.name={NAME}",
                resource_version=listed.resource_version,
            ),
            timeout=60,
        )
        events = (event for response in watch for event in response.events)
        for greeting in ("hello", "hello again"):
            apply(client, one, greeting)
            print_event(next(events))
        client.Delete(pb.DeleteRequest(resource=one))
        print(f"deleted {NAME}")
        print_event(next(events))
        watch.cancel()

        try:
            client.Get(pb.GetRequest(resource=one))
        except grpc.RpcError as error:
            print(f"get {NAME}: {reason(error)}")


def connect() -> grpc.Channel:
    """The cluster and the credentials of the kubeconfig's current context."""
    path = Path(os.environ.get("KUBECONFIG", Path.home() / ".kube" / "config"))
    config = yaml.safe_load(path.read_text())

    def named(rows: str, name: str) -> dict:
        return next(row[rows[:-1]] for row in config[rows] if row["name"] == name)

    context = named("contexts", config["current-context"])
    cluster = named("clusters", context["cluster"])
    user = named("users", context["user"])
    credentials = grpc.ssl_channel_credentials(
        root_certificates=base64.b64decode(cluster["certificate-authority-data"]),
        private_key=base64.b64decode(user["client-key-data"]),
        certificate_chain=base64.b64decode(user["client-certificate-data"]),
    )
    return grpc.secure_channel(urlparse(cluster["server"]).netloc, credentials)


def apply(client: resource_pb2_grpc.ResourceServiceStub, one: pb.ResourceName, greeting: str) -> None:
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": one.name, "namespace": one.namespace},
        "data": {"greeting": greeting},
    }
    applied = client.Patch(
        pb.PatchRequest(
            resource=one,
            encoding=pb.ENCODING_JSON,
            type=pb.PATCH_TYPE_APPLY,
            patch=json.dumps(config_map).encode(),
            options=pb.WriteOptions(field_manager="example-python"),
        )
    )
    print(f"applied {one.name}: {'created' if applied.created else 'changed'}")


def print_event(event: pb.WatchEvent) -> None:
    config_map = json.loads(event.object)
    kind = pb.EventType.Name(event.type).removeprefix("EVENT_TYPE_")
    print(f"watched {kind} {config_map['metadata']['name']}: greeting={config_map['data']['greeting']}")


def reason(error: grpc.RpcError) -> str:
    """Errors carry what the REST API would have answered: a meta/v1 Status."""
    packed = dict(error.trailing_metadata()).get("grpc-status-details-bin")
    for detail in status_pb2.Status.FromString(packed or b"").details:
        status = pb.StatusDetail()
        if detail.Unpack(status):
            return json.loads(status.status)["reason"]
    return str(error)


if __name__ == "__main__":
    main()
