"""The token, at every door."""

import pytest

from tclsta_tf.serving import refusals, security

TOKEN = "a-token-of-the-tests"


@pytest.fixture(scope="module")
def guarded(serve):
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return serve(f"--grpc_port={port}", token=TOKEN)


def test_every_route_but_probes_and_page_wants_it(guarded, http, assert_refused):
    for path in ("/healthz", "/v2/health/live", "/v2/health/ready", "/"):
        assert http.get(guarded.url + path).status_code == 200
    for path in ("/metrics", "/openapi.json", "/v1/models", "/v1/models/tclsta", "/v2", "/v2/models/tclsta", "/x"):
        assert_refused(http.get(guarded.url + path), 401, "Authorization: Bearer")
    for sent in ("", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer t\u00f6ken".encode()):
        response = http.get(f"{guarded.url}/metrics", headers={"Authorization": sent})
        assert_refused(response, 401)
        assert response.headers["www-authenticate"] == "Bearer" and TOKEN not in response.text
    assert http.get(f"{guarded.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert_refused(http.post(f"{guarded.model}:upload", content=b"x"), 401)


def test_grpc_wants_it_too(guarded):
    import grpc

    from tclsta_tf.serving import engine

    with grpc.insecure_channel(guarded.grpc) as channel:
        stub = engine.services.GRPCInferenceServiceStub(channel)
        assert stub.ServerReady(engine.messages.ServerReadyRequest(), timeout=20).ready
        question = engine.messages.ModelMetadataRequest(name="tclsta")
        with pytest.raises(grpc.RpcError) as refused:
            stub.ModelMetadata(question, timeout=20)
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
        metadata = [("authorization", f"Bearer {TOKEN}")]
        assert stub.ModelMetadata(question, timeout=20, metadata=metadata).name == "tclsta"


def test_where_the_token_comes_from(tmp_path, monkeypatch):
    monkeypatch.delenv(security.VARIABLE, raising=False)
    assert security.read_token(None) is None
    monkeypatch.setenv(security.VARIABLE, "from-the-environment")
    assert security.read_token(None) == "from-the-environment"
    file = tmp_path / "token"
    file.write_text("from-a-file\n")
    assert security.read_token(str(file)) == "from-a-file"
    for text in ("", "short", "two words here", "with-\u00fcmlaut"):
        file.write_text(text)
        with pytest.raises(ValueError, match="at least 8 printable ASCII characters"):
            security.read_token(str(file))


def test_only_the_very_token_passes():
    security.check(None, None)
    security.check(TOKEN, f"bearer {TOKEN}")
    for given in (None, "", TOKEN, f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN} {TOKEN}"):
        with pytest.raises(refusals.Refusal):
            security.check(TOKEN, given)
