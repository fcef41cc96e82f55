"""The Open Inference Protocol over gRPC."""

import numpy as np
import pytest


@pytest.fixture(scope="module")
def grpc():
    return pytest.importorskip("grpc", reason="grpcio comes with kserve (make install-serve)")


@pytest.fixture(scope="module")
def messages(server):
    from tclsta_tf.serving import engine

    return engine.messages


@pytest.fixture(scope="module")
def stub(server, grpc):
    from tclsta_tf.serving import engine

    with grpc.insecure_channel(server.grpc) as channel:
        yield engine.services.GRPCInferenceServiceStub(channel)


def request(messages, arrays, raw):
    question = messages.ModelInferRequest(model_name="tclsta", id="9")
    question.parameters["signature_name"].string_param = "precomputed"
    for name, value in arrays.items():
        given = question.inputs.add(name=name, datatype="UINT8", shape=value.shape)
        if raw:
            question.raw_input_contents.append(value.tobytes())
        else:
            given.contents.uint_contents.extend(value.ravel().tolist())
    return question


@pytest.mark.parametrize("raw", [True, False])
def test_it_answers_as_the_model_does(stub, messages, direct, clips, raw):
    arrays = clips(1, seed=4)
    answer = stub.ModelInfer(request(messages, arrays, raw), timeout=60)
    assert answer.id == "9" and answer.model_version == "1"
    index = [output.name for output in answer.outputs].index("scores")
    contents = answer.outputs[index].contents.fp32_contents
    scores = np.frombuffer(answer.raw_output_contents[index], "<f4") if raw else np.array(contents)
    np.testing.assert_allclose(scores, direct("precomputed", **arrays)["scores"][0], rtol=1e-5, atol=1e-6)


def test_metadata(stub, messages):
    found = stub.ModelMetadata(messages.ModelMetadataRequest(name="tclsta"), timeout=20)
    assert [tensor.name for tensor in found.inputs] == ["frames"] and found.inputs[0].shape[-1] == 3
    assert stub.ModelReady(messages.ModelReadyRequest(name="tclsta"), timeout=20).ready
    assert stub.ServerLive(messages.ServerLiveRequest(), timeout=20).live


def test_bad_questions_get_a_status_and_one_line(stub, messages, grpc, clips):
    arrays = clips(1)
    cases = []
    for change, code, part in [
        (lambda q: setattr(q, "model_name", "other"), "NOT_FOUND", "other"),
        (lambda q: setattr(q.inputs[0], "datatype", "FP32"), "INVALID_ARGUMENT", "UINT8"),
        (lambda q: setattr(q.inputs[0], "name", "x"), "INVALID_ARGUMENT", "one of"),
        (lambda q: q.raw_input_contents.pop(), "INVALID_ARGUMENT", "raw_input_contents"),
        (lambda q: q.inputs[0].shape.append(2), "INVALID_ARGUMENT", "bytes for its shape"),
        (lambda q: q.inputs.pop() and q.raw_input_contents.pop(), "INVALID_ARGUMENT", "flow, frames"),
        (lambda q: q.parameters["signature_name"].__setattr__("string_param", "no"), "INVALID_ARGUMENT", "one of"),
        (lambda q: q.outputs.add(name="no"), "INVALID_ARGUMENT", "one of"),
    ]:
        question = request(messages, arrays, True)
        change(question)
        cases.append((question, code, part))
    for question, code, part in cases:
        with pytest.raises(grpc.RpcError) as refused:
            stub.ModelInfer(question, timeout=20)
        assert refused.value.code().name == code and part in refused.value.details(), refused.value
        assert "\n" not in refused.value.details()
    with pytest.raises(grpc.RpcError) as refused:
        stub.RepositoryModelUnload(messages.RepositoryModelUnloadRequest(model_name="tclsta"), timeout=20)
    assert refused.value.code().name == "UNIMPLEMENTED"
    large = request(messages, {"frames": np.zeros((1, 9 * 2**20), np.uint8)}, True)
    with pytest.raises(grpc.RpcError) as refused:
        stub.ModelInfer(large, timeout=20)
    assert refused.value.code().name == "RESOURCE_EXHAUSTED"
