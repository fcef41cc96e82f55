"""Files for other servers: parsed with those servers' own messages and compared with an exported model."""

import importlib.util
import json
import pathlib
import re
import subprocess
import sys

import pytest
import tensorflow as tf

from tclsta_tf.serving import deployment, served_signatures

ROOT = pathlib.Path(__file__).resolve().parents[3]
CONFIGS = ROOT / "configs" / "serving"
OWN_DOCKERFILE = ROOT / "docker" / "Dockerfile"
TENSORFLOW_SERVING, TRITON = CONFIGS / "tensorflow_serving", CONFIGS / "triton"


@pytest.fixture(scope="module")
def text_format():
    return pytest.importorskip("google.protobuf.text_format")


_PARSE = """
import json, sys
from google.protobuf import json_format, text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig
files = sys.argv[1:]
parsed = [text_format.Parse(open(file).read(), ModelConfig()) for file in files]
print(json.dumps([json_format.MessageToDict(one, preserving_proto_field_name=True) for one in parsed]))
"""


@pytest.fixture(scope="module")
def read_triton():
    """A function that reads files with Triton's messages: in a process of its own, KServe has others of their names."""
    if importlib.util.find_spec("tritonclient") is None:
        pytest.skip("tritonclient is not installed (make install-serve)")

    def read(folder):
        files = sorted(folder.glob("*/config.pbtxt"))
        line = [sys.executable, "-c", _PARSE, *map(str, files)]
        done = subprocess.run(line, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stderr
        return {file.parent.name: parsed for file, parsed in zip(files, json.loads(done.stdout), strict=True)}

    return read


@pytest.fixture(scope="module")
def yaml():
    return pytest.importorskip("yaml", reason="PyYAML comes with kserve (make install-serve)")


@pytest.fixture(scope="module")
def written(exported, tmp_path_factory):
    """What the command writes for the tiny model."""
    folder = tmp_path_factory.mktemp("configs")
    line = [sys.executable, "-m", "tclsta_tf.serve", f"--model={exported}", f"--write_configs={folder}", "--name=tiny"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert all(pathlib.Path(file).exists() for file in done.stdout.splitlines())
    return folder


def small_messages():
    """TensorFlow Serving's messages that its Python package leaves out, by the numbers of their fields.

    session_bundle_config.proto (BatchingParameters) and monitoring_config.proto.
    """
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="tclsta_test.proto", package="tclsta_test", syntax="proto3", dependency=[wrappers_pb2.DESCRIPTOR.name]
    )
    batching = file.message_type.add(name="BatchingParameters")
    for number, name in enumerate(
        ("max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads"), start=1
    ):
        batching.field.add(
            name=name, number=number, label=1, type=kinds.TYPE_MESSAGE, type_name=".google.protobuf.Int64Value"
        )
    batching.field.add(name="allowed_batch_sizes", number=6, label=3, type=kinds.TYPE_INT64)
    prometheus = file.message_type.add(name="PrometheusConfig")
    prometheus.field.add(name="enable", number=1, label=1, type=kinds.TYPE_BOOL)
    prometheus.field.add(name="path", number=2, label=1, type=kinds.TYPE_STRING)
    monitoring = file.message_type.add(name="MonitoringConfig")
    monitoring.field.add(
        name="prometheus_config", number=1, label=1, type=kinds.TYPE_MESSAGE, type_name=".tclsta_test.PrometheusConfig"
    )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    found = message_factory.GetMessageClassesForFiles(["tclsta_test.proto"], pool)
    return {name.rpartition(".")[2]: message for name, message in found.items()}


@pytest.mark.parametrize("source", ["repository", "written"])
def test_tensorflow_serving_reads_its_files(source, request, text_format):
    if importlib.util.find_spec("tensorflow_serving") is None:
        pytest.skip("tensorflow-serving-api is not installed (make install-serve)")
    from tensorflow_serving.config import model_server_config_pb2

    folder = TENSORFLOW_SERVING
    name = "tclsta"
    if source == "written":
        folder, name = request.getfixturevalue("written") / "tensorflow_serving", "tiny"
    models = text_format.Parse((folder / "models.config").read_text(), model_server_config_pb2.ModelServerConfig())
    (model,) = models.model_config_list.config
    assert model.name == name and model.base_path == f"/models/{name}" and model.model_platform == "tensorflow"
    messages = small_messages()
    batching = text_format.Parse((folder / "batching.config").read_text(), messages["BatchingParameters"]())
    sizes = list(batching.allowed_batch_sizes)
    assert sizes == sorted(set(sizes)) and sizes[-1] == batching.max_batch_size.value  # TensorFlow Serving insists
    monitoring = text_format.Parse(
        (TENSORFLOW_SERVING / "monitoring.config").read_text(), messages["MonitoringConfig"]()
    )
    assert monitoring.prometheus_config.enable and monitoring.prometheus_config.path.startswith("/")


def test_sizes_of_batches_end_with_the_largest():
    for largest, expected in ((1, [1]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])):
        text = deployment.batching_config(largest, 0)
        assert [int(size) for size in re.findall(r"allowed_batch_sizes: (\d+)", text)] == expected


def test_triton_is_told_what_the_model_says(written, exported, read_triton):
    signatures = served_signatures.of_model(tf.saved_model.load(str(exported)))
    configs = read_triton(written / "triton")
    assert len(configs) == len(signatures)
    for signature in signatures.values():
        name = deployment.triton_name("tiny", signature.name)
        parsed = configs[name]
        assert parsed["name"] == name and parsed["platform"] == "tensorflow_savedmodel"
        assert parsed["max_batch_size"] == 8 and "dynamic_batching" in parsed
        assert parsed["parameters"]["TF_SIGNATURE_DEF"] == {"string_value": signature.name}
        for given, tensors in ((parsed["input"], signature.inputs), (parsed["output"], signature.outputs)):
            assert {tensor["name"] for tensor in given} == set(tensors)
            for tensor in given:
                expected = tensors[tensor["name"]]
                sides = [-1 if side is None else side for side in expected.shape[1:]]
                assert [int(side) for side in tensor["dims"]] == sides
                kind = tensor["data_type"].removeprefix("TYPE_").replace("STRING", "BYTES")
                assert kind == expected.datatype


def test_the_files_in_the_repository_are_of_one_model(read_triton, exported):
    """Those of the demo: of its dimensions, with the inputs and outputs that every exported model has."""
    signatures = served_signatures.of_model(tf.saved_model.load(str(exported)))
    configs = read_triton(TRITON)
    assert set(configs) == {deployment.triton_name("tclsta", signature) for signature in signatures}
    for signature in signatures.values():
        parsed = configs[deployment.triton_name("tclsta", signature.name)]
        assert {tensor["name"] for tensor in parsed["input"]} == set(signature.inputs)
        assert {tensor["name"] for tensor in parsed["output"]} == set(signature.outputs)


def test_images_and_compose_agree_with_the_files(yaml):
    docker = (TENSORFLOW_SERVING / "Dockerfile").read_text()
    compose = yaml.safe_load((TENSORFLOW_SERVING / "docker-compose.yaml").read_text())["services"]["tclsta"]
    flags = set(re.findall(r"--[a-z_]+=[^\"]+", docker))
    assert flags == {part for part in compose["entrypoint"] if part.startswith("--")}
    for flag in flags:
        if "_file=" in flag:
            file = flag.partition("/config/")[2]
            assert (TENSORFLOW_SERVING / file).exists() and file in docker.partition("COPY models.config")[2][
                :80
            ] + file
    assert compose["image"] in docker and any(volume.endswith(":/models/tclsta:ro") for volume in compose["volumes"])
    entrypoint = OWN_DOCKERFILE.read_text().partition("ENTRYPOINT")[2]
    assert_flags_exist(re.findall(r'"--([a-z_]+)=', entrypoint))


def assert_flags_exist(names):
    help_text = (ROOT / "tclsta_tf" / "serve.py").read_text()
    fields = re.findall(r'"([a-z_]+)": "', help_text) + ["model", "token_file"]
    assert set(names) <= set(fields), names


def check_manifest(kind, values, place=""):
    """Goes through a manifest with the Python models of Kubernetes and KServe: every key must be one of theirs."""
    from kubernetes import client

    from tclsta_tf.serving import engine

    place = place or kind
    if inner := re.fullmatch(r"list\[(.+)\]|dict\(str, (.+)\)|Optional\[(.+)\]", kind):
        children = values.items() if isinstance(values, dict) else enumerate(values)
        assert isinstance(values, list if inner[1] else dict), place
        for key, value in children:
            check_manifest(inner[1] or inner[2], value, f"{place}[{key}]")
        return
    model = getattr(engine.kserve, kind, None) or getattr(client, kind, None)
    if model is None or not hasattr(model, "openapi_types"):
        expected = {"str": str, "int": int, "bool": bool, "float": (int, float)}.get(kind, object)
        assert isinstance(values, expected), f"{place}: {values!r} is no {kind}"
        return
    names = {model.attribute_map[key]: key for key in model.openapi_types}
    assert isinstance(values, dict) and set(values) <= set(names), f"{place}: {set(values) - set(names)}"
    for key, value in values.items():
        check_manifest(model.openapi_types[names[key]], value, f"{place}.{key}")


def test_kubernetes_knows_the_manifests(yaml):
    client = pytest.importorskip("kubernetes.client", reason="kubernetes comes with kserve (make install-serve)")
    deployed = yaml.safe_load((CONFIGS / "kubernetes" / "deployment.yaml").read_text())
    service = yaml.safe_load((CONFIGS / "kubernetes" / "service.yaml").read_text())
    check_manifest("V1Deployment", deployed)
    check_manifest("V1Service", service)
    model = client.ApiClient().deserialize(json.dumps(deployed), "V1Deployment", "application/json")
    pod = model.spec.template
    (container,) = pod.spec.containers
    assert model.spec.selector.match_labels == pod.metadata.labels == service["spec"]["selector"]
    ports = {port.name: port.container_port for port in container.ports}
    assert {port["targetPort"] for port in service["spec"]["ports"]} <= set(ports)
    own = OWN_DOCKERFILE.read_text()
    assert f"--port={ports['http']}" in own and f"--grpc_port={ports['grpc']}" in own
    assert {mount.name for mount in container.volume_mounts} == {volume.name for volume in pod.spec.volumes}
    assert f"--model={container.volume_mounts[0].mount_path}/1" in own
    assert_flags_exist(argument.removeprefix("--").partition("=")[0] for argument in container.args)
    for probe in (container.startup_probe, container.readiness_probe, container.liveness_probe):
        assert probe.http_get.path in ("/v2/health/ready", "/v2/health/live") and probe.http_get.port == "http"


def test_kserve_knows_its_services(yaml, exported):
    from tclsta_tf.serving import engine

    for name in ("inference_service.yaml", "inference_service_server.yaml"):
        values = yaml.safe_load((CONFIGS / "kserve" / name).read_text())
        assert values["apiVersion"] == engine.kserve.constants.KSERVE_V1BETA1
        assert values["kind"] == engine.kserve.constants.KSERVE_KIND_INFERENCESERVICE
        check_manifest("V1beta1InferenceService", values)
        for container in values["spec"]["predictor"].get("containers", []):
            assert_flags_exist(argument.removeprefix("--").partition("=")[0] for argument in container["args"])
